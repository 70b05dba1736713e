/* SPDX-License-Identifier: MIT */
/*
 * Replay: gives every file of a folder to a fuzzer's function once, so that each build, and not
 * only the fuzzing one, runs the inputs that were found so far. An empty folder is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "replay: cannot %s %s\n", what, name);
    exit(1);
}

/* In memory of exactly the input's size, so that AddressSanitizer sees a read beyond its end. */
static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        fail("read", path);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = size > 0 ? malloc((size_t)size) : NULL;
    if (size < 0 || (size > 0 && (!data || fread(data, (size_t)size, 1, file) != 1)))
        fail("read", path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder)
        fail("open", argc == 2 ? argv[1] : "a folder: none was named");
    int replayed = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        replay(path);
        replayed++;
    }
    closedir(folder);
    printf("%d inputs replayed\n", replayed);
    return replayed ? 0 : 1;
}
