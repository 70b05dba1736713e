/* SPDX-License-Identifier: MIT */
/* A library, and the one that takes its file's place: where one has a function the other has another. */
#ifdef WEFT_SECOND
#define FUNCTION of_the_new_file
#else
#define FUNCTION of_what_runs
#endif

#define SEEN __attribute__((visibility("default"), noinline))

SEEN int FUNCTION(int number);
SEEN int weft_test_replaced(int number);

int FUNCTION(int number)
{
    return number * 3;
}

int weft_test_replaced(int number)
{
    return FUNCTION(number) + 1;
}
