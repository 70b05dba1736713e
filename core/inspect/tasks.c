/* SPDX-License-Identifier: MIT */
/* The task tree for the program itself: <weft/inspect.h>. */
#include <weft/inspect.h>

#include <errno.h>

#include "core/inspect/tree.h"
#include "core/loop.h"
#include "core/memory.h"

typedef void write_fn(const struct weft__tree *tree, struct weft__text *to);

static struct weft__tree_limits limits_of(const struct weft_inspect_options *options)
{
    struct weft__tree_limits limits = weft__tree_limits();
    if (options && options->most_tasks)
        limits.tasks = options->most_tasks;
    if (options && options->most_futures)
        limits.futures = options->most_futures;
    if (limits.futures < limits.tasks)
        limits.futures = limits.tasks;
    return limits;
}

static int look(const struct weft_inspect_options *options, write_fn *write, struct weft__text *to)
{
    struct weft__tree tree;
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__enoloop();
    if (options && options->size && options->size != sizeof(*options))
        return -EINVAL;
    struct weft__tree_limits limits = limits_of(options);
    int status = weft__tree_look(loop, false, &limits, &tree);
    if (status < 0)
        return status;
    write(&tree, to);
    weft__tree_fini(&tree);
    return to->status;
}

static int make(const struct weft_inspect_options *options, write_fn *write, char **ret)
{
    struct weft__text text = {0};
    int status = look(options, write, &text);
    if (status < 0)
        weft__text_fini(&text);
    else
        *ret = text.data;
    return status;
}

int weft_inspect_tasks(const struct weft_inspect_options *options, char **ret)
{
    return make(options, weft__tree_json, ret);
}

int weft_format_tasks(const struct weft_inspect_options *options, char **ret)
{
    return make(options, weft__tree_print, ret);
}

int weft_print_tasks(FILE *file)
{
    struct weft__text text = {0};
    if (!file)
        return -EINVAL;
    int status = look(NULL, weft__tree_print, &text);
    if (status == 0 && (fputs(text.data, file) < 0 || fflush(file) < 0))
        status = -EIO;
    weft__text_fini(&text);
    return status;
}
