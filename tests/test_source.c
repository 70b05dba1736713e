/* SPDX-License-Identifier: MIT */
/* The list of what can be looked at from outside, and looks at memory that may be gone. */
#include "core/inspect/source.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/inspect/json.h"
#include "core/inspect/peek.h"
#include "tests/support/child.h"
#include "tests/support/confine.h"
#include "tests/support/gate.h"

TestSuite(source, .timeout = 20);

static void describe_one(void *arg, struct weft__source *source)
{
    struct weft__text *text = arg;
    weft__json_open(text, NULL, '{');
    weft__json_string(text, "kind", source->ops->kind);
    source->ops->describe(source, text);
    weft__json_close(text, '}');
}

static struct weft__text describe_all(void)
{
    struct weft__text text = {0};
    weft__json_open(&text, NULL, '[');
    weft__sources_each(describe_one, &text);
    weft__json_close(&text, ']');
    return text;
}

Test(source, tells_of_each_loop_and_pool_until_it_is_freed)
{
    weft_pool *pool = weft_pool_new(NULL);
    weft_loop *loop = weft_loop_new(NULL);
    struct weft__text both = describe_all();
    weft_loop_free(loop);
    weft_pool_unref(pool);
    struct weft__text none = describe_all();
    const char *first = strstr(both.data, "\"kind\":\"pool\"");
    cr_assert(first && strstr(first, "\"name\":\"files\"") && strstr(first, "\"kind\":\"loop\""));
    cr_assert_str_eq(none.data, "[]");
    weft__text_fini(&both);
    weft__text_fini(&none);
}

struct removal {
    struct weft__source source;
    struct gate gate;
    atomic_bool is_removed;
    bool was_removed; /* while somebody looked */
};

static void stay(void *arg, struct weft__source *source)
{
    (void)source;
    struct removal *removal = arg;
    gate_pass(&removal->gate);
    removal->was_removed = atomic_load(&removal->is_removed);
}

static void *look(void *removal)
{
    weft__sources_each(stay, removal);
    return NULL;
}

static void *remove_it(void *arg)
{
    struct removal *removal = arg;
    weft__source_remove(&removal->source);
    atomic_store(&removal->is_removed, true);
    return NULL;
}

static void count(void *arg, struct weft__source *source)
{
    (void)source;
    ++*(int *)arg;
}

static int count_all(void)
{
    int found = 0;
    weft__sources_each(count, &found);
    return found;
}

Test(source, is_not_gone_while_somebody_looks)
{
    static const struct weft__source_ops ops = {.kind = "test"};
    struct removal removal = {.was_removed = true};
    pthread_t looker, remover;
    gate_init(&removal.gate);
    weft__source_add(&removal.source, &ops);
    pthread_create(&looker, NULL, look, &removal);
    gate_wait_entered(&removal.gate);
    pthread_create(&remover, NULL, remove_it, &removal);
    while (count_all() > 0) /* until the other thread has taken it out */
        sched_yield();
    gate_open(&removal.gate);
    pthread_join(looker, NULL);
    pthread_join(remover, NULL);
    cr_assert_not(removal.was_removed);
    cr_assert(atomic_load(&removal.is_removed));
}

Test(source, may_be_removed_twice_and_listed_again)
{
    static const struct weft__source_ops ops = {.kind = "test"};
    struct weft__source source = {0};
    weft__source_remove(&source);
    for (int i = 0; i < 2; i++) {
        weft__source_add(&source, &ops);
        cr_assert_eq(count_all(), 1);
        weft__source_remove(&source);
        weft__source_remove(&source);
        cr_assert_eq(count_all(), 0);
    }
}

Test(source, is_not_listed_in_a_forked_child)
{
    static const struct weft__source_ops ops = {.kind = "test"};
    struct weft__source source = {0};
    int status;
    weft__source_add(&source, &ops);
    pid_t child = fork();
    if (child == 0) {
        bool was_listed = count_all() > 0;
        weft__source_remove(&source); /* it is the parent's */
        _exit(was_listed);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(count_all(), 1);
    weft__source_remove(&source);
}

Test(source, peek_says_what_cannot_be_read)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char seen[16];
    memset(pages, 'x', 4096);
    munmap(pages + 4096, 4096);
    cr_assert(weft__peek(seen, pages + 4080, sizeof(seen)));
    cr_assert_not(weft__peek(seen, pages + 4081, sizeof(seen)));
    cr_assert_not(weft__peek(seen, NULL, 1));
    weft__peek_text(seen, sizeof(seen), pages + 4090);
    cr_assert_str_eq(seen, "xxxxxx");
    weft__peek_text(seen, sizeof(seen), pages);
    cr_assert_str_eq(seen, "xxxxxxxxxxxxxxx");
    pages[3] = '\0';
    weft__peek_text(seen, sizeof(seen), pages);
    cr_assert_str_eq(seen, "xxx");
    weft__peek_text(seen, sizeof(seen), NULL);
    cr_assert_str_eq(seen, "");
    munmap(pages, 4096);
}

static void peek_at_its_own(void *arg)
{
    const char *word = arg;
    char seen[8] = "";
    CHILD_EXPECT(weft__peek(seen, word, sizeof(seen)));
    CHILD_EXPECT(strcmp(seen, "child's") == 0);
}

/* And a child of that looks at its own memory, not at its parent's. */
static void peek_while_refused(void *arg)
{
    static char word[8] = "parent";
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char seen[16] = "";
    int *error = arg, status;
    memset(pages, 'x', 4096);
    munmap(pages + 4096, 4096);
    CHILD_EXPECT(weft_test_refuse(SYS_process_vm_readv, (unsigned)*error) == 0);
    CHILD_EXPECT(syscall(SYS_process_vm_readv, getpid(), NULL, 0L, NULL, 0L, 0L) < 0);
    CHILD_EXPECT(errno == *error);
    CHILD_EXPECT(weft__peek(seen, pages + 4080, sizeof(seen)));
    CHILD_EXPECT(memcmp(seen, "xxxxxxxxxxxxxxxx", sizeof(seen)) == 0);
    CHILD_EXPECT(!weft__peek(seen, pages + 4081, sizeof(seen)));
    CHILD_EXPECT(!weft__peek(seen, weft__address(8), 1));
    CHILD_EXPECT(!weft__peek(seen, weft__address(UINT64_MAX - 64), 1));
    weft__peek_text(seen, sizeof(seen), pages + 4090);
    CHILD_EXPECT(strcmp(seen, "xxxxxx") == 0);
    pid_t child = fork();
    if (child == 0) {
        memcpy(word, "child's", sizeof(word));
        peek_at_its_own(word);
        weft_test_child_exit(0);
    }
    CHILD_EXPECT(waitpid(child, &status, 0) == child && status == 0);
    CHILD_EXPECT(weft__peek(seen, word, sizeof(word)) && strcmp(seen, "parent") == 0);
}

Test(source, peek_finds_another_way_where_the_call_is_refused)
{
    static int errors[] = {EPERM, ENOSYS};
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        weft_test_in_child(peek_while_refused, &errors[i]);
}
