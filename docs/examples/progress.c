/* SPDX-License-Identifier: MIT */
/* Guide: coming from asyncio. A job sends values while it goes on. */
#include <stdio.h>
#include <weft/weft.h>

struct index_files {
    int count;
};

static WEFT_BLOCKING(index_files) /* on a worker */
{
    for (int i = 1; i <= self->count; i++) {
        int status = weft_job_progress(weft_value_i64(i), NULL); /* waits while nobody reads */
        if (status < 0)
            return weft_err(status);
    }
    return weft_ok(self->count);
}

struct main_task {
    WEFT_FRAME;
    weft_future *job;
    int64_t done;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->job = weft_to_thread(index_files, .count = 3);
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->done, weft_job_next(self->job));
        if (self->status < 0) /* WEFT_ECLOSED: that was the last one */
            break;
        printf("%d done\n", (int)self->done);
    }
    WEFT_AWAIT_INTO(self->done, weft_ref(self->job));
    printf("all %d\n", (int)self->done);

    WEFT_FINALLY;
    weft_cancel(self->job); /* nobody reads any more */
    weft_unref(self->job);
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
