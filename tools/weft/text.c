/* SPDX-License-Identifier: MIT */
/*
 * Text for a terminal.
 *
 * What a process says of itself is not trusted: a task's name could be an escape sequence. So all that comes
 * from it is cleaned before it is printed; colours and lines of a tree are put around it then.
 */
#include "tools/weft/text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

/* Of numbers: differences are still numbers, whatever a process says; and the time of day is one until 2043. */
#define LARGEST (INT64_C(1) << 61)

struct text_look text_look;

static int find_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    if (width > 0)
        return width;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void text_begin(bool ascii)
{
    setlocale(LC_CTYPE, "");
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    text_look.has_utf8 = !ascii && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    text_look.has_colour =
        isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
    text_look.width = find_width();
}

/* ---- Characters ---- */

/* The length of the next character; 0: it is not to be shown. */
static size_t shown_len(const char *at)
{
    wchar_t wide;
    mbstate_t state = {0};
    if ((unsigned char)*at < 0x80)
        return *at >= ' ' && *at < 0x7f;
    if (!text_look.has_utf8)
        return 0;
    size_t len = mbrtowc(&wide, at, strlen(at), &state);
    return len < 8 && wcwidth(wide) > 0 ? len : 0;
}

void text_clean(char *to, size_t size, const char *from)
{
    size_t used = 0;
    while (*from && used + 8 < size) {
        size_t len = shown_len(from);
        if (len == 0)
            to[used++] = '?';
        memcpy(to + used, from, len);
        used += len;
        from += len ? len : 1;
        while (len == 0 && ((unsigned char)*from & 0xc0) == 0x80) /* of the same character */
            from++;
    }
    to[used] = '\0';
}

void text_paint(enum text_colour colour, const char *text)
{
    static const char *const codes[] = {
        [BOLD] = "1", [DIM] = "2", [RED] = "31", [YELLOW] = "33", [GREEN] = "32", [CYAN] = "36"};
    char clean[5 * TEXT_ROOM]; /* where it was cut, half a character may be left */
    text_clean(clean, sizeof(clean), text);
    if (text_look.has_colour && colour != PLAIN)
        printf("\033[%sm%s\033[0m", codes[colour], clean);
    else
        fputs(clean, stdout);
}

int text_columns(const char *text)
{
    int columns = 0;
    while (*text) {
        wchar_t wide = L' ';
        mbstate_t state = {0};
        size_t len = mbrtowc(&wide, text, strlen(text), &state);
        bool is_one = len > 0 && len < 8;
        int width = is_one ? wcwidth(wide) : 1;
        columns += width > 0 ? width : 0;
        text += is_one ? len : 1;
    }
    return columns;
}

void text_cut(char *text, size_t size, int columns)
{
    const char *mark = text_look.has_utf8 ? "…" : "~";
    if (columns < 1 || text_columns(text) <= columns)
        return;
    size_t end = strlen(text);
    do {
        do
            end--;
        while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80);
        text[end] = '\0';
    } while (end > 0 && text_columns(text) > columns - 1);
    snprintf(text + end, size - end, "%s", mark);
}

void text_line(const char *head, enum text_colour colour, const char *format, ...)
{
    char line[4 * TEXT_ROOM], first[TEXT_ROOM];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    snprintf(first, sizeof(first), "%s", head);
    text_cut(first, sizeof(first), text_look.width);
    int left = text_look.width - text_columns(first);
    if (text_look.width > 0 && left > 0)
        text_cut(line, sizeof(line), left);
    text_paint(BOLD, first);
    if (text_look.width == 0 || left > 0)
        text_paint(colour, line);
    putchar('\n');
}

/* ---- Times and places ---- */

void text_duration(char *to, size_t size, int64_t ns)
{
    static const struct {
        int64_t least;
        double unit;
        const char *name;
    } units[] = {{1000000000, 1e9, "s"}, {1000000, 1e6, "ms"}, {1000, 1e3, "us"}};
    const char *sign = ns < 0 ? "-" : "";
    int64_t size_ns = ns < 0 ? -ns : ns;
    if (size_ns >= INT64_C(3600) * 1000000000) {
        text_age(to, size, ns);
        return;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        double value = (double)size_ns / units[i].unit;
        if (size_ns < units[i].least)
            continue;
        snprintf(to, size, value < 9.95 ? "%s%.1f %s" : "%s%.0f %s", sign, value, units[i].name);
        return;
    }
    snprintf(to, size, size_ns ? "%s%" PRId64 " ns" : "%s%" PRId64, sign, size_ns);
}

void text_age(char *to, size_t size, int64_t ns)
{
    int64_t s = ns / 1000000000;
    if (s >= 86400)
        snprintf(to, size, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(to, size, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(to, size, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else
        snprintf(to, size, "%" PRId64 " s", s);
}

const char *text_place(const char *place)
{
    const char *name = place ? strrchr(place, '/') : NULL;
    if (!place || !*place)
        return "-";
    return name && !text_look.whole_paths ? name + 1 : place;
}

/* ---- Members ---- */

const char *text_of(const json_t *object, const char *key)
{
    static _Thread_local char texts[8][TEXT_ROOM];
    static _Thread_local unsigned next;
    const char *value = json_string_value(json_object_get(object, key));
    char *text = texts[next++ % 8];
    text_clean(text, TEXT_ROOM, value ? value : "");
    return text;
}

int64_t number_value(const json_t *value)
{
    int64_t number = json_integer_value(value);
    return number > LARGEST ? LARGEST : number < -LARGEST ? -LARGEST : number;
}

int64_t number_sum(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a > 0 ? LARGEST : -LARGEST;
    return sum;
}

int64_t number_of(const json_t *object, const char *key)
{
    return number_value(json_object_get(object, key));
}

bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- Tables ---- */

static size_t count_columns(const struct table *table)
{
    size_t count = 0;
    while (table->heads[count])
        count++;
    return count;
}

void table_add(struct table *table, const char *text)
{
    char clean[TEXT_ROOM];
    text_clean(clean, sizeof(clean), text);
    if (table->count == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        char **more = realloc(table->cells, room * sizeof(*more));
        table->failed |= !more;
        if (!more)
            return;
        table->cells = more;
        table->room = room;
    }
    char *copy = strdup(clean);
    table->failed |= !copy;
    if (copy)
        table->cells[table->count++] = copy;
}

void table_addf(struct table *table, const char *format, ...)
{
    char text[TEXT_ROOM];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    table_add(table, text);
}

static bool is_number(const char *head)
{
    return *head == '>';
}

/* Append, and cut off what has no room. Returns the length then. */
static size_t append(char *line, size_t size, size_t len, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static size_t append(char *line, size_t size, size_t len, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + len, size - len, format, args);
    va_end(args);
    return more < 0 || (size_t)more >= size - len ? size - 1 : len + (size_t)more;
}

static void measure(const struct table *table, size_t columns, int widths[MOST_COLUMNS])
{
    for (size_t i = 0; i < columns; i++)
        widths[i] = text_columns(table->heads[i]) - is_number(table->heads[i]);
    for (size_t i = 0; i < table->count; i++) {
        int width = text_columns(table->cells[i]);
        if (width > widths[i % columns])
            widths[i % columns] = width;
    }
}

/* A line of cells; what is beyond the edge is cut, and no blanks are left at the end. */
static void print_row(const struct table *table, char *const *cells, const int *widths, int indent,
                      enum text_colour colour)
{
    char line[4 * TEXT_ROOM];
    size_t columns = count_columns(table), len = 0;
    len = append(line, sizeof(line), len, "%*s", indent, "");
    for (size_t i = 0; i < columns; i++) {
        int pad = widths[i] - text_columns(cells[i]);
        bool right = is_number(table->heads[i]);
        len = append(line, sizeof(line), len, "%s%*s%s%*s", i ? "  " : "", right ? pad : 0, "",
                     cells[i], right ? 0 : pad, "");
    }
    while (len > 0 && line[len - 1] == ' ')
        line[--len] = '\0';
    text_cut(line, sizeof(line), text_look.width);
    text_paint(colour, line);
    putchar('\n');
}

void table_print(struct table *table, int indent)
{
    char heads[MOST_COLUMNS][64], *titles[MOST_COLUMNS] = {NULL};
    int widths[MOST_COLUMNS] = {0};
    size_t columns = count_columns(table);
    measure(table, columns, widths);
    for (size_t i = 0; i < columns; i++) {
        snprintf(heads[i], sizeof(heads[i]), "%s", table->heads[i] + is_number(table->heads[i]));
        titles[i] = heads[i];
    }
    print_row(table, titles, widths, indent, DIM);
    for (size_t i = 0; i + columns <= table->count; i += columns)
        print_row(table, table->cells + i, widths, indent, PLAIN);
    if (table->failed)
        fputs("weft: out of memory: rows are missing\n", stderr);
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){.heads = table->heads};
}
