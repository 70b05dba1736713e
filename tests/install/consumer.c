/* SPDX-License-Identifier: MIT */
/* A program in somebody else's project, which knows of weft only what is installed. */
#include <weft/version.h>

#include <stdio.h>

int main(void)
{
    printf("weft %s\n", weft_version());
    return 0;
}
