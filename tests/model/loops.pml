/* SPDX-License-Identifier: MIT */
/*
 * The rings of pool/express.c once more: two loops, each with a ring of its own, one worker, and somebody
 * who closes the pool. The first loop is alone at first, and keeps jobs back until the end of its tick;
 * the second one joins at any moment. tests/model/express.pml has what is within one ring, and the calls
 * of several workers.
 *
 * What must hold: each job is run once, those of a loop in their order, none is left behind; and when the
 * pool is closed, what is in rings then, kept back or not, comes into the lane's line in the order in which
 * it came: none before one whose submission had returned before its own began. And what the first loop has
 * submitted when the second one comes is run before what that submits. Each mutant breaks one line.
 */
#ifndef FIRST_JOBS
#define FIRST_JOBS 2
#endif
#ifndef SECOND_JOBS
#define SECOND_JOBS 1
#endif
#ifndef CLOSES
#define CLOSES 1
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

#define JOBS (FIRST_JOBS + SECOND_JOBS)

#define FOREVER 255

byte head[2], tail[2], staged[2], published[2];
byte slots[2 * JOBS], came[2 * JOBS]; /* of each ring; jobs are numbered from 1 */
byte clock, count = 1;                 /* loops that have a ring */
bool open;
byte line[JOBS + 1], first, last; /* the lane's: from `first` to `last` */
bit mu;
bool callable, idle, called;
byte returned;          /* jobs whose submission has: bits */
byte older[JOBS + 1];   /* of each job: those that had returned when its own began */
byte before;            /* jobs that the first loop had submitted when the second one came: bits */
byte runs[JOBS + 1], latest[2];

#define LOCK atomic { mu == 0 -> mu = 1 }
#define UNLOCK mu = 0
#define BIT(job) (1 << (job))
#define AT(ring, index) ((ring) * JOBS + (index))
#define LOOP_OF(job) ((job) > FIRST_JOBS)
#define END(ring, all) (all -> staged[ring] : tail[ring])
#define IN_LINE (first < last)
#define IN_RINGS (head[0] < staged[0] || head[1] < staged[1])

/* The ring whose first job is the oldest; 2: none has any. One is looked at after the other. */
inline oldest(all)
{
    d_step {
        if
        :: head[0] < END(0, all) -> ring = 0; at = head[0]; since = came[AT(0, at)]
        :: else -> ring = 2; at = 0; since = FOREVER
        fi
    };
    d_step {
        if
        :: head[1] < END(1, all) && came[AT(1, head[1])] < since -> ring = 1; at = head[1]
        :: else
        fi;
        since = 0
    }
}

/* What nobody looks at again is 0, so that there are fewer states. */
inline leave_ring()
{
    head[ring]++;
    slots[AT(ring, at)] = 0;
    came[AT(ring, at)] = 0
}

/* Take the job at `at`, if it is there still; else 0. */
inline take(job)
{
    d_step {
        if
        :: head[ring] == at -> job = slots[AT(ring, at)]; leave_ring()
        :: else -> job = 0
        fi;
        ring = 0; at = 0
    }
}

/* The same into the lane's line. */
inline recall()
{
    d_step {
        if
        :: head[ring] == at -> line[last] = slots[AT(ring, at)]; last++; leave_ring()
        :: else
        fi;
        ring = 0; at = 0
    }
}

inline call_locked()
{
    d_step {
        callable = idle;
        if
        :: (IN_LINE || (open && IN_RINGS)) && idle -> idle = false; called = true; callable = false
        :: else
        fi
    }
}

/* What is in one ring. */
inline recall_ring(which)
{
    do
    :: d_step { ring = which; at = head[which] };
        if
        :: at < staged[which] -> recall()
        :: else -> d_step { ring = 0; at = 0 }; break
        fi
    od
}

/* All, in order. */
inline empty_locked()
{
    atomic {
        open = false; /* C1 */
        from = last; there = 0; n = head[0];
        do
        :: n < staged[0] -> there = there | BIT(slots[AT(0, n)]); n++
        :: else -> break
        od;
        n = head[1];
        do
        :: n < staged[1] -> there = there | BIT(slots[AT(1, n)]); n++
        :: else -> break
        od
    };
    if
    :: MUTANT == 1 -> recall_ring(1); recall_ring(0)
    :: MUTANT == 2 ->
        do
        :: oldest(false);
            if
            :: ring == 2 -> ring = 0; break
            :: else -> recall()
            fi
        od
    :: else ->
        do
        :: oldest(true); /* C2 */
            if
            :: ring == 2 -> ring = 0; break
            :: else -> recall()
            fi
        od
    fi;
    atomic {
        for (at : from .. last) {
            for (n : from .. last) {
                if
                :: at < n && n < last && (there & BIT(line[at])) && (there & BIT(line[n])) ->
                    assert(!(older[line[at]] & BIT(line[n])))
                :: else
                fi
            }
        };
        at = 0; n = 0; there = 0; from = 0
    }
}

inline close_locked()
{
    if
    :: open -> empty_locked()
    :: else
    fi
}

inline catch_up_locked()
{
    if
    :: !open && MUTANT != 3 -> recall_ring(me)
    :: else
    fi
}

inline publish()
{
    d_step { tail[me] = staged[me]; published[me] = staged[me] }; /* P1 */
    if
    :: (!open && MUTANT != 4) /* P2 */ || callable -> LOCK;
        catch_up_locked(); call_locked(); UNLOCK
    :: else
    fi
}

proctype Loop(bit me)
{
    byte mine, until, batch, ring, at, since, from, there, n;
    bool alone;
    if
    :: me == 0 -> mine = 1; until = FIRST_JOBS
    :: else -> mine = FIRST_JOBS + 1; until = JOBS;
        LOCK;
        before = returned;
        if
        :: MUTANT != 9 && MUTANT != 10 -> empty_locked()
        :: MUTANT == 10 -> close_locked()
        :: else
        fi;
        count = 2; UNLOCK
    fi;
    do
    :: mine > until -> break
    :: else ->
        older[mine] = returned;
again:
        if
        :: open ->
            alone = count == 1 || MUTANT == 5;
            d_step {
                if
                :: staged[me] == published[me] || (!alone && MUTANT != 6) -> clock++; batch = clock
                :: else
                fi;
                slots[AT(me, staged[me])] = mine;
                came[AT(me, staged[me])] = batch
            };
            staged[me]++;
            if
            :: !alone || callable -> alone = false; publish()
            :: else
            fi
        :: else -> LOCK;
            catch_up_locked();
            if
            :: !open && !IN_LINE -> open = true; callable = idle; UNLOCK; goto again
            :: else ->
                close_locked();
                line[last] = mine; last++;
                call_locked(); UNLOCK
            fi
        fi;
        d_step { returned = returned | BIT(mine); mine++ };
        if
        :: staged[me] != published[me] && MUTANT != 7 -> publish() /* the tick ends */
        :: mine <= until -> skip
        :: staged[me] == published[me] || MUTANT == 7
        fi
    od
}

active proctype Closer()
{
    byte ring, at, since, from, there, n, closes;
    do
    :: closes == CLOSES -> break
    :: else -> LOCK; close_locked(); call_locked(); UNLOCK; closes++
    od
}

inline run_it()
{
    d_step {
        runs[got]++;
        assert(runs[got] == 1);
        assert(got > latest[LOOP_OF(got)]);
        for (at : 1 .. FIRST_JOBS) {
            assert(!LOOP_OF(got) || !(before & BIT(at)) || runs[at])
        };
        at = 0;
        older[got] = 0;
        latest[LOOP_OF(got)] = got;
        got = 0
    }
}

active proctype Worker()
{
    byte ring, at, since, got;
    LOCK;
again:
    if
    :: IN_LINE -> d_step { got = line[first]; line[first] = 0; first++ }
    :: !IN_LINE && open ->
        do
        :: oldest(true);
            if
            :: ring == 2 -> ring = 0; break
            :: else -> take(got);
                if
                :: got != 0 -> break
                :: else
                fi
            fi
        od
    :: else
    fi;
    if
    :: got != 0 ->
        call_locked();
        UNLOCK;
        do
        :: got == 0 -> break
        :: else -> run_it();
            oldest(false);
            if
            :: ring != 2 && (open || MUTANT == 8) -> take(got)
            :: else -> d_step { ring = 0; at = 0 }
            fi
        od;
        LOCK;
        goto again
    :: else
    fi;
    idle = true;
    callable = true;
    if
    :: IN_LINE || (open && IN_RINGS) -> idle = false; goto again
    :: else
    fi;
    UNLOCK;
end_idle:
    called;
    called = false;
    LOCK;
    goto again
}

init { atomic { run Loop(0); run Loop(1) } }

/* Nobody can go on. */
active proctype Monitor()
{
    byte j;
end_watch:
    timeout -> for (j : 1 .. JOBS) { assert(runs[j] == 1) }
}
