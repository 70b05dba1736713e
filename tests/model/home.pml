/* SPDX-License-Identifier: MIT */
/*
 * The way home (pool/home.c) and the looks at jobs that run (pool/running.c): WORKERS workers with ITEMS
 * jobs each, one loop. The first SCANNED senders are looked at each time, the others have a flag. Each
 * worker's queue has CHUNKS chunks of CHUNK entries, and gets no more: then a job goes by the mailbox.
 * Accesses to atomics are sequentially consistent there where it matters, so what Spin interleaves is all
 * that can happen. tests/model/mailbox.pml has the mailbox with several putters.
 *
 * With LEAVES the loop ends whenever it likes, and another one gets the home. With LOOKS somebody looks so
 * often at what one of the workers runs. With FAILS a chunk may not be got though there is one.
 *
 * What is checked:
 *   - a lost wakeup is a loop that polls for ever: an invalid end state, as is one that waits for a sender
 *     for ever;
 *   - each job comes home once, with what it has sent, in its worker's order; or it finds its loop gone;
 *   - nothing is left in a queue that its loop has left, and its mailbox is not used after that;
 *   - nobody looks at a job that was freed.
 *
 * Each MUTANT drops or moves one line; Spin must find the error in each (tests/model/run).
 *
 *   MUTANT 1  a worker does not nudge
 *   MUTANT 2  it nudges before it publishes the entry
 *   MUTANT 3  has_mail() does not look at the queues
 *   MUTANT 4  it does so before the loop says ASLEEP: what a weaker order could do
 *   MUTANT 5  has_mail() does not look at the flag
 *   MUTANT 6  a late sender does not set the flag (W2)
 *   MUTANT 7  W2 before W1
 *   MUTANT 8  the loop takes the flag back behind its look (L1 after L2)
 *   MUTANT 9  with the flag, it looks at the queues of the first senders only (L2)
 *   MUTANT 10 it takes an entry whatever its number is
 *   MUTANT 11 the number is written before the rest of the entry
 *   MUTANT 12 a worker does not say that it is posting
 *   MUTANT 13 it looks whose home it is, and then says so
 *   MUTANT 14 a loop that goes does not wait for who is posting
 *   MUTANT 15 it takes what is there, and then waits
 *   MUTANT 16 it gives up the mailbox without taking it out of the home
 *   MUTANT 17 a worker sends to whoever has the home
 *   MUTANT 18 the loop does not look whether somebody looks (F2)
 *   MUTANT 19 F2 before F1
 *   MUTANT 20 who looks does not say so (E1)
 *   MUTANT 21 E1 behind E2
 *   MUTANT 22 the job is forgotten behind the sending (K1 after K2)
 *   MUTANT 23 a worker does not wait for who looks before it sends a job by the mailbox
 *   MUTANT 24 the link of a chunk that is used again is not cleared
 *   MUTANT 25 the loop looks who sends before it takes the flag back (L2 before L1)
 *   MUTANT 26 it gives a chunk back without a compare-and-swap
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef SCANNED
#define SCANNED 1
#endif
#ifndef CHUNK
#define CHUNK 1
#endif
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef LOOKS
#define LOOKS 0
#endif
#define OTHER_EVENTS 1 /* how often something else ends a poll */

#define JOBS (WORKERS * ITEMS)
#define JOB(worker, index) ((worker) * ITEMS + (index) + 1)
#define BIT(job) (1 << ((job) - 1))
#define ALL ((1 << JOBS) - 1)
#define NONE 255
#define MINE 1
#define ANOTHERS 2

mtype = { AWAKE, ASLEEP, NOTIFIED };

/* The mailbox. */
mtype wake = AWAKE;
byte bytes = 0;
short box = 0; /* of jobs, one bit each, as all below */
bool closed = false, is_freed = false;

/* The home. */
byte mailbox = MINE; /* 0: no loop has it */
byte count = 0, senders[WORKERS];
bool arrived = false;

/* The queues; one is a run of CHUNKS * CHUNK entries. */
byte number[WORKERS * CHUNKS * CHUNK], content[WORKERS * CHUNKS * CHUNK];
byte next[WORKERS * CHUNKS], first[WORKERS], last[WORKERS], spare[WORKERS];
byte at[WORKERS], taken[WORKERS], sent[WORKERS], newest[WORKERS];

bit mu = 0;
bool posting[WORKERS], looked = false;
byte noted[WORKERS];
short came = 0, ended = 0, freed = 0;

#define LOCK atomic { mu == 0 -> mu = 1 }
#define UNLOCK mu = 0
#define CHUNK_OF(worker, chunk) ((worker) * CHUNKS + (chunk))
#define ENTRY(worker, chunk, index) (CHUNK_OF(worker, chunk) * CHUNK + (index))

inline nudge()
{
    state = wake; /* P2 */
    if
    :: state == ASLEEP ->
        atomic {
            won = (wake == ASLEEP);
            if
            :: won -> wake = NOTIFIED
            :: else
            fi
        };
        if
        :: won -> bytes++; assert(bytes <= 1)
        :: else
        fi
    :: else
    fi;
    state = 0; won = false
}

/* ---- Workers ---- */

/* Where the next entry goes: `fill` in the last chunk; false: there is none. */
inline next_entry()
{
    there = true;
    if
    :: fill == CHUNK ->
        if
        :: spare[me] == NONE -> there = false
#ifdef FAILS
        :: there = false
#endif
        :: spare[me] != NONE ->
            atomic { c = spare[me]; spare[me] = next[CHUNK_OF(me, c)] };
#if MUTANT != 24
            next[CHUNK_OF(me, c)] = NONE;
#endif
            next[CHUNK_OF(me, last[me])] = c;
            d_step { last[me] = c; c = 0; fill = 0 }
        fi
    :: else
    fi
}

inline push()
{
#if MUTANT == 11
    number[ENTRY(me, last[me], fill)] = sent[me] + 1;
    content[ENTRY(me, last[me], fill)] = job;
#else
    content[ENTRY(me, last[me], fill)] = job;
    number[ENTRY(me, last[me], fill)] = sent[me] + 1; /* W1 */
#endif
    d_step { sent[me]++; fill++ }
}

inline tell_of_late()
{
#if MUTANT != 6
    if
    :: sender > SCANNED ->
        if
        :: !arrived -> arrived = true /* W2 */
        :: arrived
        fi
    :: else
    fi
#else
    skip
#endif
}

inline post()
{
    if
    :: sender == 0 -> LOCK;
        senders[count] = me;
        atomic { count++; sender = count };
        UNLOCK
    :: else
    fi;
#if MUTANT == 2
    nudge();
#endif
#if MUTANT == 7
    tell_of_late();
#endif
    next_entry();
    if
    :: there ->
        push();
#if MUTANT != 7
        tell_of_late();
#endif
#if MUTANT != 1 && MUTANT != 2
        assert(!is_freed);
        nudge();
#endif
    :: else
    fi
}

/* By the mailbox, for which the job gives a reference. */
inline put()
{
#if MUTANT != 23
    LOCK; UNLOCK;
#endif
    atomic {
        there = !closed;
        if
        :: there -> box = box | BIT(job)
        :: else -> ended = ended | BIT(job); freed = freed | BIT(job)
        fi
    };
    if
    :: there -> nudge()
    :: else
    fi
}

inline send()
{
    there = false;
#if MUTANT == 13
    if
    :: mailbox == MINE -> posting[me] = true; post()
    :: else
    fi;
#else
#if MUTANT != 12
    posting[me] = true;
#endif
    if
#if MUTANT == 17
    :: mailbox != 0 -> post()
#else
    :: mailbox == MINE -> post()
#endif
    :: else
    fi;
#endif
    posting[me] = false;
    if
    :: !there -> put()
    :: else
    fi;
    there = false
}

proctype worker(byte me)
{
    byte index = 0, job = 0, fill = 0, sender = 0, c = 0;
    bool there = false, won = false;
    mtype state = 0;
    do
    :: index == ITEMS -> break
    :: else ->
        job = JOB(me, index);
#if MUTANT != 22
        noted[me] = (index + 1 < ITEMS -> job + 1 : 0); /* K1 */
#endif
        send();
#if MUTANT == 22
        noted[me] = (index + 1 < ITEMS -> job + 1 : 0);
#endif
        index++
    od
}

/* ---- The loop ---- */

/* Sets `there`, and `e`: the next entry, if it has come. */
inline peek(w)
{
    there = true;
    if
    :: at[w] == CHUNK ->
        c = next[CHUNK_OF(w, first[w])];
        if
        :: c == NONE -> there = false
        :: else ->
            d_step { e = first[w]; first[w] = c; at[w] = 0; c = 0 };
#if MUTANT == 26
            next[CHUNK_OF(w, e)] = spare[w];
            d_step { spare[w] = e; e = 0 }
#else
            atomic { next[CHUNK_OF(w, e)] = spare[w]; spare[w] = e; e = 0 }
#endif
        fi
    :: else
    fi;
    if
    :: there -> d_step {
            e = ENTRY(w, first[w], at[w]);
#if MUTANT == 10
            there = (number[e] != 0)
#else
            there = (number[e] == taken[w] + 1)
#endif
        }
    :: else
    fi;
    c = 0
}

inline come(job)
{
    assert(job != 0 && !((came | ended | got) & BIT(job)));
    got = got | BIT(job)
}

inline take(w)
{
    do
    :: peek(w);
        if
        :: there ->
            d_step {
                come(content[e]);
                assert(content[e] > newest[w]);
                newest[w] = content[e];
                at[w]++; taken[w]++; e = 0
            }
        :: else -> e = 0; break
        fi
    od
}

inline take_all(senders_count)
{
    i = 0;
    do
    :: i < senders_count -> take(senders[i]); i++
    :: else -> i = 0; break
    od
}

/* All that has come is run, and with that freed. */
inline run_all()
{
#if MUTANT != 18 && MUTANT != 19
    if
    :: got != 0 && looked /* F2 */ -> LOCK; UNLOCK
    :: else
    fi;
#endif
    atomic { came = came | got; freed = freed | got; got = 0 } /* F3 */
}

inline collect()
{
#if MUTANT == 25
    n = count;
#endif
    all = arrived;
#if MUTANT == 19
    if
    :: looked -> LOCK; UNLOCK
    :: else
    fi;
#endif
#if MUTANT != 8
    if
    :: all -> arrived = false /* L1 */
    :: else
    fi;
#endif
#if MUTANT != 25
    n = count; /* L2 */
#endif
#if MUTANT != 9
    if
    :: !all && n > SCANNED -> n = SCANNED
    :: else
    fi;
#else
    n = (n > SCANNED -> SCANNED : n);
#endif
    take_all(n); /* L2 */
#if MUTANT == 8
    if
    :: all -> arrived = false
    :: else
    fi;
#endif
    all = false; n = 0;
    run_all()
}

/* Those of the mailbox have waited for who looks. */
inline take_box()
{
    atomic {
        assert(!(box & (came | ended)));
        came = came | box; freed = freed | box; box = 0
    }
}

inline has_mail()
{
    n = count; i = 0; there = false;
#if MUTANT != 3
    do
    :: i < n && i < SCANNED && !there -> peek(senders[i]); e = 0; i++
    :: else -> break
    od;
#endif
#if MUTANT != 5
    if
    :: !there && n > SCANNED -> there = arrived
    :: else
    fi;
#endif
    i = 0; n = 0
}

inline awake()
{
    atomic {
        if
        :: wake == ASLEEP -> wake = AWAKE
        :: else
        fi
    }
}

/* Sets `sleep`. */
inline may_sleep()
{
    sleep = (box == 0);
#if MUTANT == 4
    if
    :: sleep -> has_mail(); sleep = !there; there = false
    :: else
    fi;
#endif
    if
    :: sleep ->
        atomic { /* L1 of the mailbox */
            assert(wake != ASLEEP);
            if
            :: wake == AWAKE -> wake = ASLEEP
            :: else
            fi
        };
        sleep = (box == 0);
#if MUTANT != 4
        if
        :: sleep -> has_mail(); sleep = !there; there = false
        :: else
        fi;
#endif
        if
        :: !sleep -> awake()
        :: else
        fi
    :: else
    fi
}

inline poll()
{
    if
    :: bytes > 0 -> bytes--; wake = AWAKE
    :: others > 0 -> others--
    :: !sleep
    fi;
    sleep = false
}

inline leave()
{
    atomic { take_box(); closed = true };
#if MUTANT != 16
    mailbox = 0;
#endif
#if MUTANT == 15
    take_all(count);
    run_all();
#endif
#if MUTANT != 14
    do
    :: i < WORKERS -> !posting[i]; i++
    :: else -> i = 0; break
    od;
#endif
#if MUTANT != 15
    take_all(count);
    run_all();
#endif
    is_freed = true;
#if MUTANT != 16
    mailbox = ANOTHERS
#endif
}

proctype loop()
{
    byte others = OTHER_EVENTS, i = 0, n = 0, e = 0, c = 0;
    bool sleep = false, all = false, there = false;
    short got = 0;
    do
    :: came != ALL ->
        may_sleep();
        poll();
        awake();
        collect();
        take_box()
#ifdef LEAVES
    :: true -> leave(); break
#endif
    :: came == ALL -> break
    od
}

/* ---- Who looks ---- */

#if LOOKS
proctype looker()
{
    byte looks = LOOKS, i = 0, job = 0;
    do
    :: looks > 0 ->
        if
        :: i = 0
        :: i = WORKERS - 1
        fi;
        LOCK;
#if MUTANT != 20 && MUTANT != 21
        looked = true; /* E1 */
#endif
        job = noted[i]; /* E2 */
#if MUTANT == 21
        looked = true;
#endif
        if
        :: job != 0 -> assert(!(freed & BIT(job)))
        :: else
        fi;
        looked = false; /* E3 */
        UNLOCK;
        d_step { job = 0; i = 0; looks-- }
    :: else -> break
    od
}
#endif

init
{
    byte i, k;
    atomic {
        for (i : 0 .. WORKERS - 1) {
            spare[i] = 1;
            noted[i] = JOB(i, 0);
            for (k : 0 .. CHUNKS - 1) {
                next[CHUNK_OF(i, k)] = (k > 0 && k + 1 < CHUNKS -> k + 1 : NONE)
            };
            run worker(i)
        };
        run loop();
#if LOOKS
        run looker();
#endif
        i = 0; k = 0
    };
    _nr_pr == 1;
    assert((came | ended) == ALL && (came & ended) == 0 && box == 0);
    for (i : 0 .. WORKERS - 1) {
        assert(sent[i] == taken[i])
    }
}
