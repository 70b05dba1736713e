/* SPDX-License-Identifier: MIT */
/*
 * Where sockets are: $XDG_RUNTIME_DIR/weft of who runs the process, which as a rule is /run/user/UID/weft, or
 * /tmp/weft-UID. Root sees those of all users.
 */
#include "tools/weft/places.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(struct places *to, const char *folder)
{
    for (size_t i = 0; i < to->count; i++)
        if (strcmp(to->folders[i], folder) == 0)
            return;
    if (to->count < MOST_PLACES && strlen(folder) < PLACES_PATH)
        snprintf(to->folders[to->count++], PLACES_PATH, "%s", folder);
}

static void add_runtime(struct places *to, const char *runtime)
{
    char folder[PLACES_PATH];
    if (runtime && *runtime == '/' &&
        snprintf(folder, sizeof(folder), "%s/weft", runtime) < (int)sizeof(folder))
        add(to, folder);
}

static void add_tmp(struct places *to, uid_t uid)
{
    char folder[64];
    snprintf(folder, sizeof(folder), "/tmp/weft-%u", (unsigned)uid);
    add(to, folder);
}

/* XDG_RUNTIME_DIR as it was when the process was started, if that can be seen. */
static void add_environment(struct places *to, int pid)
{
    static const char name[] = "XDG_RUNTIME_DIR=";
    char path[64], *entry = NULL;
    size_t room = 0;
    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    FILE *file = fopen(path, "re");
    while (file && getdelim(&entry, &room, '\0', file) > 0)
        if (strncmp(entry, name, strlen(name)) == 0)
            add_runtime(to, entry + strlen(name));
    free(entry);
    if (file)
        fclose(file);
}

void places_of_process(struct places *ret, int pid)
{
    char path[64];
    struct stat process;
    ret->count = 0;
    add_runtime(ret, getenv("XDG_RUNTIME_DIR"));
    add_environment(ret, pid);
    snprintf(path, sizeof(path), "/proc/%d", pid);
    if (stat(path, &process) < 0)
        return;
    snprintf(path, sizeof(path), "/run/user/%u", (unsigned)process.st_uid);
    add_runtime(ret, path);
    add_tmp(ret, process.st_uid);
}

/* ---- All of them ---- */

struct each {
    void (*fn)(void *arg, const char *folder, int pid);
    void *arg;
};

/* What others have put into /tmp is none of ours. */
static bool is_ours(const char *folder)
{
    struct stat status;
    return lstat(folder, &status) == 0 && S_ISDIR(status.st_mode) &&
           (status.st_uid == geteuid() || geteuid() == 0);
}

static void look_into(const struct each *each, const char *folder)
{
    DIR *dir = is_ours(folder) ? opendir(folder) : NULL;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid > 0 && pid <= 1 << 22 && strcmp(end, ".sock") == 0)
            each->fn(each->arg, folder, (int)pid);
    }
    if (dir)
        closedir(dir);
}

static void look_into_all(const struct each *each, const char *pattern)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            look_into(each, found.gl_pathv[i]);
    globfree(&found);
}

void places_each_socket(void (*fn)(void *arg, const char *folder, int pid), void *arg)
{
    struct each each = {fn, arg};
    struct places own = {.count = 0};
    add_runtime(&own, getenv("XDG_RUNTIME_DIR"));
    add_tmp(&own, geteuid());
    for (size_t i = 0; i < own.count; i++)
        look_into(&each, own.folders[i]);
    if (geteuid() != 0)
        return;
    look_into_all(&each, "/run/user/*/weft");
    look_into_all(&each, "/tmp/weft-*");
}
