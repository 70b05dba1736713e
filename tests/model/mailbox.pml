/* SPDX-License-Identifier: MIT */
/*
 * The mailbox's protocol (core/mailbox.c), step by step: PUTTERS threads with ITEMS each, one loop
 * that closes the mailbox whenever it likes or when it has everything. Each atomic access is one
 * step; they are sequentially consistent there, so interleaving them is all that can happen.
 *
 * What is checked:
 *   - a lost wakeup is a loop that polls for ever: an invalid end state;
 *   - an item is lost or doubled: an assertion at the end;
 *   - two bytes in flight: an assertion at the write;
 *   - a putter that is stuck: an invalid end state as well.
 * Every run ends, as items and other events are finite, so there is no cycle to look for.
 *
 * Each MUTANT drops or swaps one line; Spin must find the error in each (tests/model/run).
 *
 *   MUTANT 1  may_sleep does not look again after it said ASLEEP (L2)
 *   MUTANT 2  may_sleep looks before it says ASLEEP: what a weaker order of L1 and L2 could do
 *   MUTANT 3  the putter reads `wake` before it pushes: what a weaker order of P1 and P2 could do
 *   MUTANT 4  the putter stores NOTIFIED without comparing
 *   MUTANT 5  awake() stores AWAKE without comparing
 *   MUTANT 6  close reads the head and stores the mark in two steps
 *   MUTANT 7  may_sleep stores ASLEEP without comparing
 *   MUTANT 8  put does not look for the mark
 *   MUTANT 9  woken() does not set AWAKE
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef PUTTERS
#define PUTTERS 3
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#define OTHER_EVENTS 2 /* how often something else ends a poll */

mtype = { AWAKE, ASLEEP, NOTIFIED };

mtype wake = AWAKE;
byte box = 0;       /* how many items hang on `head` */
bool closed = false; /* `head` is the mark */
byte bytes = 0;     /* in the pipe */

byte accepted = 0, refused = 0, taken = 0;

inline put()
{
#if MUTANT == 3
    state = wake;
#endif
    atomic { /* P1: the compare-and-swap that succeeds, or the load that finds the mark */
        if
#if MUTANT != 8
        :: closed -> refused++; goto next;
#endif
        :: else -> box++; accepted++;
        fi
    }
#if MUTANT != 3
    state = wake; /* P2 */
#endif
    if
    :: state == ASLEEP ->
#if MUTANT == 4
        won = true;
        wake = NOTIFIED;
#else
        atomic {
            won = (wake == ASLEEP);
            if
            :: won -> wake = NOTIFIED;
            :: else -> skip;
            fi
        }
#endif
        if
        :: won ->
            atomic {
                bytes++;
                assert(bytes <= 1);
            }
        :: else -> skip;
        fi
    :: else -> skip;
    fi
}

proctype putter()
{
    byte left = ITEMS;
    mtype state;
    bool won;

    do
    :: left > 0 ->
        put();
next:
        left--;
    :: else -> break;
    od
}

inline awake()
{
#if MUTANT == 5
    wake = AWAKE;
#else
    atomic {
        if
        :: wake == ASLEEP -> wake = AWAKE;
        :: else -> skip;
        fi
    }
#endif
}

inline take()
{
    atomic {
        taken = taken + box;
        box = 0;
    }
}

/* Sets `sleep`. */
inline may_sleep()
{
    sleep = (box == 0);
    if
    :: sleep ->
        atomic { /* L1 */
            assert(wake != ASLEEP);
            look = (wake == AWAKE);
            if
#if MUTANT == 7
            :: true -> wake = ASLEEP;
#else
            :: look -> wake = ASLEEP;
#endif
            :: !look -> skip;
            fi
        }
#if MUTANT != 1 && MUTANT != 2
        if
        :: look && box > 0 -> /* L2 */
            awake();
            sleep = false;
        :: else -> skip;
        fi
#endif
    :: else -> skip;
    fi
}

inline poll()
{
    if
    :: bytes > 0 -> /* woken() */
        bytes--;
#if MUTANT != 9
        wake = AWAKE;
#endif
    :: others > 0 ->
        others--;
    :: !sleep -> skip; /* a poll that does not block */
    fi
}

inline close()
{
#if MUTANT == 6
    taken = taken + box;
    closed = true;
#else
    atomic {
        taken = taken + box;
        box = 0;
        closed = true;
    }
#endif
}

proctype loop()
{
    byte others = OTHER_EVENTS;
    bool sleep, look;

    do
    :: taken < PUTTERS * ITEMS ->
        may_sleep();
        poll();
        awake();
        take();
#ifdef CLOSES
    :: true -> break;
#endif
    :: taken == PUTTERS * ITEMS -> break;
    od;
    close();
}

init
{
    byte i = 0;
    atomic {
        run loop();
        do
        :: i < PUTTERS -> run putter(); i++;
        :: else -> break;
        od;
    }
    _nr_pr == 1;
    assert(accepted + refused == PUTTERS * ITEMS);
    assert(taken == accepted);
}
