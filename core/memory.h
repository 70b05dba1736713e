/* SPDX-License-Identifier: MIT */
/* Memory by the allocator that weft_set_allocator() chose. */
#ifndef WEFT_CORE_MEMORY_H
#define WEFT_CORE_MEMORY_H

#include <stddef.h>

void *weft__malloc(size_t size);
void *weft__calloc(size_t count, size_t size); /* zeroed; NULL also when count × size overflows */
void *weft__realloc(void *ptr, size_t size);
void weft__free(void *ptr);
char *weft__strdup(const char *text); /* NULL stays NULL */

#endif
