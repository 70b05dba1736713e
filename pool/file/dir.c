/* SPDX-License-Identifier: MIT */
/*
 * Folders, read as a stream: a job reads a batch of entries, the loop hands them out one by one.
 *
 *     next: entries left in the batch --> the next one, at once
 *           none left, not at the end --> a job reads a batch --> the first of it
 *           at the end                --> NULL
 *
 * Memory is bounded by the batch, however large the folder is. The DIR is in a listing of its own
 * that the jobs share with the folder, as files share a handle: it is closed when no job uses it.
 *
 * Failure modes: an error in the middle of a batch is met after the entries before it; no memory for
 * a batch (the same job again at the next call, as nothing was taken); freed while a job runs: the
 * future fails with WEFT_ECLOSED.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/file.h>

#include "core/memory.h"
#include "core/sys.h"
#include "core/text.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"
#include "pool/file/step.h"

enum { BATCH_ENTRIES = 128, BATCH_TEXT = 16384, LONGEST_NAME = 255 };

/* ---- The listing ---- */

struct listing {
    atomic_uint refs; /* [atomic] as a handle's */
    DIR *dir;         /* [worker] one job at a time */
    char path[];      /* [const] */
};

static void unref_listing(void *ptr)
{
    struct listing *listing = ptr;
    if (atomic_fetch_sub_explicit(&listing->refs, 1, memory_order_acq_rel) > 1)
        return;
    closedir(listing->dir);
    weft__free(listing);
}

/* Takes over the descriptor. */
static struct listing *new_listing(int fd, const char *path, int *ret_error)
{
    size_t size = strlen(path) + 1;
    struct listing *listing = weft__malloc(sizeof(*listing) + size);
    DIR *dir = listing ? fdopendir(fd) : NULL;
    if (dir) {
        atomic_init(&listing->refs, 1);
        listing->dir = dir;
        memcpy(listing->path, path, size);
        return listing;
    }
    *ret_error = listing ? errno : ENOMEM;
    weft__free(listing);
    weft__sys.close(fd);
    return NULL;
}

static weft_result run_open(void *args)
{
    const struct weft__path_call *call = args;
    int error = 0;
    int fd = weft__path_open(call->text, O_RDONLY | O_DIRECTORY, 0);
    struct listing *listing = fd < 0 ? NULL : new_listing(fd, call->text, &error);
    if (listing)
        return weft_ok(listing, unref_listing);
    return weft__file_error(call->what, call->text, fd < 0 ? -fd : error);
}

/* ---- Batches ---- */

struct batch {
    unsigned count;
    int error; /* met behind them; an errno */
    bool is_last;
    size_t used; /* of the text */
    struct weft_dir_entry entries[BATCH_ENTRIES];
    char text[BATCH_TEXT + LONGEST_NAME + 1];
};

static enum weft_file_type type_of_mode(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return WEFT_FILE_REGULAR;
    case S_IFDIR:
        return WEFT_FILE_FOLDER;
    case S_IFLNK:
        return WEFT_FILE_LINK;
    default:
        return WEFT_FILE_OTHER;
    }
}

/* Some file systems do not say; an entry that has gone meanwhile is "other". */
static enum weft_file_type type_of(DIR *dir, const struct dirent *entry)
{
    struct stat status;
    if (entry->d_type != DT_UNKNOWN)
        return type_of_mode((mode_t)DTTOIF(entry->d_type));
    if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return WEFT_FILE_OTHER;
    return type_of_mode(status.st_mode);
}

static void add_entry(struct batch *batch, DIR *dir, const struct dirent *from)
{
    struct weft_dir_entry *entry = &batch->entries[batch->count++];
    size_t size = strnlen(from->d_name, LONGEST_NAME) + 1;
    char *name = batch->text + batch->used;
    memcpy(name, from->d_name, size - 1);
    name[size - 1] = 0;
    batch->used += size;
    *entry = (struct weft_dir_entry){
        .name = name, .type = type_of(dir, from), .inode = (uint64_t)from->d_ino};
}

static bool is_itself_or_parent(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* One entry more, unless it is the end. */
static void read_entry(struct batch *batch, DIR *dir)
{
    errno = 0;
    const struct dirent *entry = readdir(dir);
    if (!entry) {
        batch->error = errno;
        batch->is_last = true;
    } else if (!is_itself_or_parent(entry->d_name)) {
        add_entry(batch, dir, entry);
    }
}

struct read_call {
    struct listing *listing; /* a reference, until the job is over */
};

static void release_read(void *args)
{
    const struct read_call *call = args;
    unref_listing(call->listing);
}

static weft_result run_read(void *args)
{
    const struct read_call *call = args;
    struct batch *batch = weft__malloc(sizeof(*batch));
    if (!batch)
        return weft_err(-ENOMEM);
    batch->count = 0;
    batch->error = 0;
    batch->is_last = false;
    batch->used = 0;
    while (!batch->is_last && batch->count < BATCH_ENTRIES && batch->used < BATCH_TEXT)
        read_entry(batch, call->listing->dir);
    return weft_ok(batch, weft__free);
}

/* ---- The folder ---- */

/* All fields are [loop]. */
struct weft_dir {
    uint32_t loop_id; /* [const] */
    unsigned refs;    /* the user's, one for the step that reads */
    struct listing *listing;
    struct batch *batch; /* owned; NULL: none was read, or it is used up */
    unsigned next;       /* in the batch */
    int error;           /* met behind the last one; 0: none */
    bool ended;
    bool is_reading;
    bool closed;
};

static void unref_dir(weft_dir *dir)
{
    if (--dir->refs > 0)
        return;
    if (dir->listing)
        unref_listing(dir->listing);
    weft__free(dir->batch);
    weft__free(dir);
}

void weft_dir_free(weft_dir *dir)
{
    if (!dir || WEFT__ELSEWHERE(dir->loop_id))
        return;
    dir->closed = true;
    unref_dir(dir);
}

static void free_dir(void *dir)
{
    weft_dir_free(dir);
}

/* ---- Opening ---- */

struct dir_step {
    struct weft__step step; /* first */
    weft_dir *dir;          /* a reference */
};

static void finish_open(struct weft__step *step, weft_future *inner)
{
    struct dir_step *open = WEFT__CONTAINER(step, struct dir_step, step);
    weft_dir *dir = open->dir;
    weft_destructor *destructor;
    weft_value value;
    open->dir = NULL;
    if (weft__observe(inner) < 0) {
        unref_dir(dir);
        weft__step_end_as(step, inner);
        return;
    }
    weft__take(inner, &value, &destructor);
    dir->listing = value.ptr;
    weft__step_succeed(step, weft_value_ptr(dir), free_dir);
}

WEFT__OPS(open_ops) = {
    .name = "weft_dir_open", .cancel = weft__step_cancel, .explain = weft__explain_step};

weft_future *weft_dir_open(const char *path)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    weft_dir *dir = weft__malloc(sizeof(*dir));
    struct dir_step *open =
        dir ? weft__step_new(loop, &open_ops, finish_open, sizeof(*open)) : NULL;
    if (!open) {
        weft__free(dir);
        return weft__future_enomem(loop);
    }
    struct weft__path_call call = {.what = "open"};
    struct weft_job_options options = weft__file_options();
    *dir = (weft_dir){.loop_id = loop->id, .refs = 1};
    open->dir = dir;
    weft__step_wait(&open->step,
                    weft__path_submit(&options, "weft_dir_open", run_open, &call, path, NULL));
    return &open->step.future;
}

/* ---- Reading ---- */

/* What there is without a job: true, and *ret_entry (NULL: the end) or *ret_error. */
static bool have(weft_dir *dir, const struct weft_dir_entry **ret_entry, int *ret_error)
{
    *ret_entry = NULL;
    *ret_error = 0;
    if (dir->batch && dir->next < dir->batch->count) {
        *ret_entry = &dir->batch->entries[dir->next];
        return true;
    }
    *ret_error = dir->error;
    return dir->ended;
}

static void take_batch(weft_dir *dir, weft_future *inner)
{
    weft_destructor *destructor;
    weft_value value;
    weft__take(inner, &value, &destructor);
    weft__free(dir->batch);
    dir->batch = value.ptr;
    dir->next = 0;
    dir->ended = dir->batch->is_last;
    dir->error = dir->batch->error;
}

static void give(struct weft__step *step, weft_dir *dir)
{
    const struct weft_dir_entry *entry;
    int error;
    have(dir, &entry, &error);
    if (error)
        weft__step_fail(step, -error, weft__file_error("read", dir->listing->path, error).message);
    else
        weft__step_succeed(step, weft_value_ptr(entry), NULL);
    dir->next += entry != NULL;
}

static void finish_next(struct weft__step *step, weft_future *inner)
{
    struct dir_step *next = WEFT__CONTAINER(step, struct dir_step, step);
    weft_dir *dir = next->dir;
    int status = weft__observe(inner);
    next->dir = NULL;
    dir->is_reading = false;
    if (status >= 0)
        take_batch(dir, inner);
    if (dir->closed)
        weft__step_fail(step, WEFT_ECLOSED, NULL);
    else if (status < 0)
        weft__step_end_as(step, inner);
    else
        give(step, dir);
    unref_dir(dir);
}

WEFT__OPS(next_ops) = {
    .name = "weft_dir_next", .cancel = weft__step_cancel, .explain = weft__explain_step};

static weft_future *read_batch(weft_dir *dir)
{
    struct dir_step *next = weft__step_new(weft__loop, &next_ops, finish_next, sizeof(*next));
    if (!next)
        return weft__future_enomem(weft__loop);
    struct read_call call = {.listing = dir->listing};
    struct weft_job_options options = weft__file_options();
    struct weft__request request = {.options = &options,
                                    .run = run_read,
                                    .args = &call,
                                    .size = sizeof(call),
                                    .name = "weft_dir_next"};
    options.release = release_read;
    atomic_fetch_add_explicit(&dir->listing->refs, 1, memory_order_relaxed);
    dir->is_reading = true;
    dir->refs++;
    next->dir = dir;
    weft__step_wait(&next->step, weft__submit(&request));
    return &next->step.future;
}

weft_future *weft_dir_next(weft_dir *dir)
{
    const struct weft_dir_entry *entry;
    int error;
    if (!dir)
        return weft_future_failed(-EINVAL, "%s: no folder", __func__);
    weft_future *refused = weft__file_refuse_loop(dir->loop_id, __func__);
    if (refused)
        return refused;
    if (dir->is_reading)
        return weft_future_failed(-EBUSY, "%s: one at a time", __func__);
    if (!have(dir, &entry, &error))
        return read_batch(dir);
    if (error)
        return weft_future_failed(-error, "read %s: %s", dir->listing->path, weft_strerror(-error));
    weft_future *future = weft__step_done(weft__loop, weft_value_ptr(entry));
    dir->next += entry && future->status == 0; /* no memory: it is there for the next call */
    return future;
}
