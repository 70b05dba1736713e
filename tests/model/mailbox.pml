/* SPDX-License-Identifier: MIT */
/*
 * The mailbox's protocol (core/mailbox.c), step by step: PUTTERS threads with ITEMS each, one loop
 * that closes the mailbox whenever it likes or when it has everything. Each atomic access is one
 * step; they are sequentially consistent there, so interleaving them is all that can happen.
 *
 * With RINGS, so many threads more, each with a ring of a part (core/part.c) beside the mailbox, into
 * which it publishes ENDS values and nudges the loop. Before each it puts an item, which must be
 * taken no later than the value.
 *
 * With EDGES the loop is told of each write by a report, which comes only while there are bytes; it
 * reads them whenever it likes. The pipe has room for ROOM of them. Now and then a report comes that no
 * write caused (SPURIOUS), so that one may tell of the next byte before it is there.
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
 *   MUTANT 10 the loop does not ask has_mail() before it polls
 *   MUTANT 11 it asks before it says ASLEEP: what a weaker order could do
 *   MUTANT 12 a ring's thread reads `wake` before it publishes: what a weaker order could do
 *   MUTANT 13 a ring's thread does not nudge
 *   MUTANT 14 the box is taken before the rings are collected
 *   MUTANT 15 a putter takes a full pipe for a wakeup, by edges
 *   MUTANT 16 woken() says AWAKE only behind NOTIFIED, by edges
 *   MUTANT 17 a kernel that reports a write only when the pipe was empty
 *   MUTANT 18 the loop reads bytes when it is about to sleep
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
#ifndef RINGS
#define RINGS 0
#endif
#ifndef ENDS
#define ENDS 2
#endif
#ifndef EDGES
#define EDGES 0
#endif
#define ROOM 2
#define SPURIOUS 1
#define ALL (PUTTERS * ITEMS + 2 * RINGS * ENDS)
#define OTHER_EVENTS 2 /* how often something else ends a poll */

mtype = { AWAKE, ASLEEP, NOTIFIED };

mtype wake = AWAKE;
byte box = 0;       /* how many items hang on `head` */
bool closed = false; /* `head` is the mark */
byte bytes = 0;     /* in the pipe */
bool report = false; /* a write has not been reported yet */

byte accepted = 0, refused = 0, taken = 0;

#if RINGS
byte ring = 0;                /* how many values are in all the rings */
byte before = 0;              /* of `box`, those that were put before a value of a ring */
byte seen = 0;                /* of the values, those that were collected */
byte taken_before = 0;        /* of the items that were put before them, those that were taken */
#endif

inline write_byte()
{
#if EDGES
    if
    :: bytes == ROOM ->
#if MUTANT == 15
        skip;
#else
        bytes = 0;
#endif
    :: else -> skip;
    fi
    atomic {
        if
        :: bytes < ROOM ->
            bytes++;
#if MUTANT == 17
            report = report || bytes == 1;
#else
            report = true;
#endif
        :: else -> skip;
        fi
    }
#else
    atomic {
        bytes++;
        assert(bytes <= 1);
    }
#endif
}

/* Behind P2, which sets `state`. */
inline nudge()
{
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
        :: won -> write_byte();
        :: else -> skip;
        fi
    :: else -> skip;
    fi
}

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
    nudge();
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

#if RINGS
proctype worker()
{
    byte left = ENDS;
    mtype state;
    bool won;

    do
    :: left > 0 ->
        atomic { box++; before++; accepted++; } /* P1 of the item */
        state = wake;                           /* P2 */
        nudge();
#if MUTANT == 12
        state = wake;
#endif
        ring++; /* P1 of the value */
#if MUTANT != 12
        state = wake; /* P2 */
#endif
#if MUTANT != 13
        nudge();
#endif
        left--;
    :: else -> break;
    od
}
#endif

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

inline take_box()
{
    atomic {
        taken = taken + box;
        box = 0;
#if RINGS
        taken_before = taken_before + before;
        before = 0;
#endif
    }
}

inline collect()
{
#if RINGS
    atomic {
        taken = taken + ring;
        seen = seen + ring;
        ring = 0;
    }
#else
    skip;
#endif
}

inline take()
{
#if MUTANT == 14
    take_box();
    collect();
#else
    collect();
    take_box();
#endif
#if RINGS
    assert(taken_before >= seen);
#endif
}

/* Sets `sleep`. */
inline may_sleep()
{
    sleep = (box == 0);
#if RINGS && MUTANT == 11
    if
    :: ring > 0 -> sleep = false;
    :: else -> skip;
    fi
#endif
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
#if RINGS && MUTANT != 10 && MUTANT != 11
        if
        :: sleep && ring > 0 -> /* L2 of the rings: has_mail() */
            awake();
            sleep = false;
        :: else -> skip;
        fi
#endif
    :: else -> skip;
    fi
}

#if EDGES
inline woken()
{
#if MUTANT == 16
    atomic {
        if
        :: wake == NOTIFIED -> wake = AWAKE;
        :: else -> skip;
        fi
    }
#else
#if MUTANT != 9
    wake = AWAKE;
#endif
#endif
    if
    :: bytes = 0; /* read them all */
    :: skip;
    fi
}

inline poll()
{
#if MUTANT == 18
    if
    :: bytes = 0;
    :: skip;
    fi
#endif
    do
    :: report ->
        atomic {
            report = false;
            told = bytes > 0;
        }
        if
        :: told -> woken(); break;
        :: else -> skip;
        fi
    :: spurious > 0 && bytes > 0 -> spurious--; woken(); break;
    :: others > 0 -> others--; break;
    :: !sleep -> break; /* a poll that does not block */
    od
}
#else
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
#endif

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
#if EDGES
    byte spurious = SPURIOUS;
    bool told;
#endif

    do
    :: taken < ALL ->
        may_sleep();
        poll();
        awake();
        take();
#ifdef CLOSES
    :: true -> break;
#endif
    :: taken == ALL -> break;
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
#if RINGS
        i = 0;
        do
        :: i < RINGS -> run worker(); i++;
        :: else -> break;
        od;
#endif
    }
    _nr_pr == 1;
    assert(accepted + refused == PUTTERS * ITEMS + RINGS * ENDS);
    assert(taken == accepted + RINGS * ENDS);
}
