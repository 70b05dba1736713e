/* SPDX-License-Identifier: MIT */
/*
 * The rings of pool/express.c: one loop that sends JOBS jobs by its ring, WORKERS that claim them, and
 * somebody who closes the pool CLOSES times, with the lock. Accesses to atomics are sequentially
 * consistent there where it matters, so what Spin interleaves is all that can happen.
 *
 * What must hold: each job is run once, in the order in which they came (with one worker), and none is
 * left behind while somebody could run it. With BLOCKS (and two workers) the last job but one waits for
 * the last one: so whoever leaves a search with a job has to call the next one. With a RING for fewer than
 * all jobs its slots are used again. Each MUTANT breaks one line of the protocol; Spin must find the error
 * in each (tests/model/run).
 *
 *   MUTANT 1  the loop that has published does not look whether the pool was closed (P2)
 *   MUTANT 2  who closes takes what is there, and then closes (C1 after C2)
 *   MUTANT 3  a worker sees that the pool is open before it sees the job at `head`
 *   MUTANT 4  a worker claims though the pool was closed
 *   MUTANT 5  a worker that gets idle does not say so
 *   MUTANT 6  a job is claimed without a compare-and-swap
 *   MUTANT 7  a worker takes back that it searches when it has got idle
 *   MUTANT 8  it says that it is idle behind its look
 *   MUTANT 9  it looks, and then gets idle
 *   MUTANT 10 who leaves a search with a job calls nobody
 *   MUTANT 11 the loop looks whether the pool was closed, and then publishes (P2 before P1)
 *   MUTANT 12 it asks whether somebody is to be called, and then publishes
 *   MUTANT 13 a slot is read when its job was claimed
 */
#ifndef JOBS
#define JOBS 2
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef CLOSES
#define CLOSES 1
#endif
#ifndef RING
#define RING JOBS
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

byte head, tail;
byte slots[RING];
bool open;
byte line[JOBS], first, last; /* the lane's: from `first` to `last` */
bit mu;
bool callable, idle[WORKERS], called[WORKERS];
byte searching;
byte runs[JOBS + 1], latest;
byte sent; /* jobs that the loop has sent, to name the next one */

#define LOCK atomic { mu == 0 -> mu = 1 }
#define UNLOCK mu = 0
#define SLOT(index) ((index) % RING)
#define IN_LINE (first < last)
#define IN_RING (head < tail)

/* With the lock: is somebody idle? He is called if there is something for him. */
inline call_locked()
{
    callable = idle[0] || idle[WORKERS - 1];
    if
    :: (IN_LINE || (open && IN_RING)) && idle[0] ->
        d_step { idle[0] = false; called[0] = true; callable = false }
    :: (IN_LINE || (open && IN_RING)) && !idle[0] && idle[WORKERS - 1] ->
        d_step { idle[WORKERS - 1] = false; called[WORKERS - 1] = true; callable = false }
    :: else
    fi
}

/* With the lock: take one out after the other. */
inline recall_locked()
{
    do
    :: h = head;
        if
        :: h < tail ->
            job = slots[SLOT(h)];
            if
            :: atomic { head == h -> head++ };
                line[last] = job; last++
            :: else
            fi
        :: else -> break
        fi
    od
}

inline close_locked()
{
    if
    :: open && MUTANT != 2 -> open = false; recall_locked()
    :: open && MUTANT == 2 -> recall_locked(); open = false
    :: !open
    fi
}

/* Has somebody to be called who will not look by himself? */
inline ask()
{
    needed = callable;
    if
    :: needed -> needed = (searching == 0)
    :: else
    fi
}

active proctype Loop()
{
    byte h, job, mine;
    bool closed, needed;
    do
    :: sent == JOBS -> break
    :: sent < JOBS ->
        mine = sent + 1;
        if
        :: open && tail - head < RING ->
            slots[SLOT(tail)] = mine; sent = mine;
#if MUTANT == 11
            closed = !open;
#endif
#if MUTANT == 12
            ask();
#endif
            tail++; /* P1 */
#if MUTANT != 1 && MUTANT != 11
            closed = !open; /* P2 */
#endif
#if MUTANT != 12
            ask();
#endif
            if
            :: closed || needed -> LOCK;
                if
                :: !open -> recall_locked()
                :: open
                fi;
                call_locked(); UNLOCK
            :: else
            fi;
            d_step { closed = false; needed = false }
        :: else -> LOCK;
            if
            :: !open && !IN_LINE -> open = true; callable = idle[0] || idle[WORKERS - 1]; UNLOCK
            :: else -> close_locked();
                line[last] = mine; last++; sent = mine;
                call_locked(); UNLOCK
            fi
        fi
    od
}

active proctype Closer()
{
    byte h, job, n;
    do
    :: n == CLOSES -> break
    :: n < CLOSES -> LOCK; close_locked(); call_locked(); UNLOCK; n++
    od
}

inline run_it()
{
#ifdef BLOCKS
    if
    :: got == JOBS - 1 -> runs[JOBS] == 1
    :: else
    fi;
#endif
    d_step {
        runs[got]++;
        assert(runs[got] == 1);
        assert(WORKERS > 1 || got == latest + 1);
        latest = got;
        got = 0
    }
}

/* Without the lock. */
inline claim()
{
    seen = open;
    h = head;
    if
    :: h < tail ->
        if
        :: MUTANT != 3 -> seen = open
        :: else
        fi;
        if
        :: seen || MUTANT == 4 ->
            job = slots[SLOT(h)];
            if
            :: MUTANT == 6 -> head = h + 1; got = job
            :: MUTANT == 13 ->
                if
                :: atomic { head == h -> head++ }; got = slots[SLOT(h)]
                :: else
                fi
            :: else ->
                if
                :: atomic { head == h -> head++ }; got = job
                :: else
                fi
            fi
        :: else
        fi
    :: else
    fi
}

inline take_locked()
{
    if
    :: IN_LINE -> got = line[first]; first++
    :: !IN_LINE && open ->
        do
        :: h = head;
            if
            :: h < tail ->
                job = slots[SLOT(h)];
                if
                :: atomic { head == h -> head++ }; got = job; break
                :: else
                fi
            :: else -> break
            fi
        od
    :: else
    fi
}

/* Leaves a search with a job: if there are more, the next one is called. */
inline hand_on()
{
    if
    :: callable && searching == 0 && IN_RING && MUTANT != 10 -> LOCK; call_locked(); UNLOCK
    :: else
    fi
}

active [WORKERS] proctype Worker()
{
    byte h, job, got, me;
    bool seen;
    me = _pid - 2;
    LOCK;
again:
    take_locked();
    if
    :: got != 0 ->
        call_locked();
        UNLOCK;
        do
        :: got != 0 -> run_it(); claim()
        :: got == 0 ->
            searching++;
            if
            :: claim()
            :: skip
            fi;
            if
            :: got == 0 && MUTANT == 7 -> break
            :: else
            fi;
            searching--;
            if
            :: got != 0 -> hand_on()
            :: else -> break
            fi
        od;
        LOCK;
        goto again
    :: else
    fi;
    if
    :: MUTANT == 9 && (IN_LINE || (open && IN_RING)) -> goto again
    :: else
    fi;
    idle[me] = true;
    if
    :: MUTANT != 5 && MUTANT != 8 -> callable = true
    :: else
    fi;
    if
    :: MUTANT != 9 && (IN_LINE || (open && IN_RING)) -> idle[me] = false; goto again
    :: else
    fi;
    if
    :: MUTANT == 7 && searching > 0 -> searching--
    :: MUTANT == 8 -> callable = true
    :: else
    fi;
    UNLOCK;
end_idle:
    called[me];
    called[me] = false;
    LOCK;
    goto again
}

/* Nobody can go on. */
active proctype Monitor()
{
    byte j;
end_watch:
    timeout -> for (j : 1 .. JOBS) { assert(runs[j] == 1) }
}
