/* SPDX-License-Identifier: MIT */
/*
 * The pool's protocol of submission, wake and sleep (pool/wake.c, worker.c, start.c, blocking.c), step
 * by step. One loop submits JOBS jobs, may cancel some, waits for all and gives up the pool. There
 * are MAX + SPARES places for threads. What is done under the pool's lock is one step; what is done
 * between (a signal that was decided on, a start, a job, its way home) may interleave with all else.
 * Time: a keepalive, or a watcher's patience, may be over at any moment.
 *
 * What is checked:
 *   - a lost wakeup, a lost job, a deadlock, a thread that does not leave: an invalid end state;
 *   - a job that completes twice, or never: an assertion at the end;
 *   - the invariant (*) of pool/wake.c: an assertion whenever the lock is given up;
 *   - more calls than jobs (each watch may cost one more): an assertion at the end;
 *   - the pool is used after it was freed, or freed twice: an assertion at each step.
 *
 * What a run may contain is chosen by
 *   MAX, SPARES, MIN    threads; QUICK: so many start at once (as many as MAX: nobody ever watches)
 *   CANCELS             the loop cancels any queued job at any time
 *   FAILS, HOOK_FAILS   so many starts fail, in pthread_create() or in thread_start
 *   LIMIT               at most so many jobs of even number run at once, as in a lane of their own;
 *                       the loop raises the limit at some time
 *   BLOCKS              job 0 waits for the last one, and says so
 *   OPAQUE              the same, and does not say so
 *   SPREAD              who arrives may call others until so many are on their way
 *   STUCK               so many jobs do not return before their loop has given them and the pool up
 *
 * Each MUTANT breaks one thing; Spin must find the error in each (tests/model/run).
 *
 *   MUTANT 1   who arrives does not call the next
 *   MUTANT 2   who has sent a job home gets idle without looking again
 *   MUTANT 3   a keepalive that is over counts for more than a call
 *   MUTANT 4   a start that failed leaves `waking` as it was
 *   MUTANT 5   a job that begins to wait calls nobody
 *   MUTANT 6   a watcher goes on watching when it need not
 *   MUTANT 7   a watcher has patience for ever
 *   MUTANT 8   a start that failed leaves the queued jobs alone
 *   MUTANT 9   a start that failed keeps its place until it has failed the jobs
 *   MUTANT 10  the end of the pool does not rouse the idle threads
 *   MUTANT 11  every thread that comes back to a deserted pool frees it
 *   MUTANT 12  a job that was taken may still be cancelled
 *   MUTANT 13  who raises a limit calls nobody
 *   MUTANT 14  a thread that runs thread_stop is not waited for
 *   MUTANT 15  who is called is left on the idle list
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef MAX
#define MAX 2
#endif
#ifndef SPARES
#define SPARES 0
#endif
#ifndef MIN
#define MIN 0
#endif
#ifndef QUICK
#define QUICK MAX
#endif
#ifndef JOBS
#define JOBS 3
#endif
#ifndef FAILS
#define FAILS 0
#endif
#ifndef HOOK_FAILS
#define HOOK_FAILS 0
#endif
#ifndef STUCK
#define STUCK 0
#endif
#ifndef SPREAD
#define SPREAD 2
#endif
#ifndef LIMIT
#define LIMIT JOBS
#endif
#define PLACES (MAX + SPARES)
#define NONE 255

mtype = { NEW, QUEUED, TAKEN, HOME };

mtype job[JOBS] = NEW;
bool returned[JOBS]; /* its function has */
byte homes[JOBS];    /* how often it completed */

/* Under the lock. */
byte queued[2], runs[2], limit[2]; /* jobs of even and of odd number */
byte running, blocked, threads, leaving, abandoned, nidle, nfree = PLACES;
byte idle[PLACES], watcher = NONE;
bool held; /* who jumps holds the lock: a jump ends Spin's atomic */
byte waking; /* on their way */
bool stopping, deserted, destroyed;
bool called[PLACES], taken_place[PLACES];

bool waiting[PLACES], signalled[PLACES], started[PLACES]; /* condition variables; new threads */
byte fails, hook_fails, calls, watches;
bool has_failed, gone, let_go[JOBS], ended[JOBS], released;

#define EXCUSED (blocked < SPARES -> blocked : SPARES)
#define SLOTS (MAX + EXCUSED)
#define LESSER(a, b) ((a) < (b) -> (a) : (b))
#define OF_LANE(l) (runs[l] < limit[l] -> LESSER(queued[l], limit[l] - runs[l]) : 0)
#define ROOM (running < SLOTS -> SLOTS - running : 0)
#define ELIGIBLE (LESSER(OF_LANE(0) + OF_LANE(1), ROOM))
#define MAY_START (nfree > 0 && threads < SLOTS)
#define MUST_WATCH (running - EXCUSED >= QUICK && nidle == 0 && MAY_START && ELIGIBLE > 0)

/* The lock is about to be given up. A start that failed is made up for by the next who looks. */
inline unlock()
{
    assert(!destroyed);
    assert(has_failed || ELIGIBLE == 0 || (nidle == 0 && watcher == NONE && !MAY_START) || waking > 0 ||
           (watcher != NONE && MUST_WATCH));
}

/* Sets `who` and `start`. So many may be on their way afterwards. */
inline call_present(most)
{
    who = NONE;
    start = false;
    if
    :: waking < most && ELIGIBLE > waking && (watcher != NONE || nidle > 0) ->
        if
#if MUTANT == 6
        :: watcher != NONE -> skip;
#else
        :: watcher != NONE && MUST_WATCH -> skip;
        :: watcher != NONE && !MUST_WATCH ->
            who = watcher;
            watcher = NONE;
#endif
        :: watcher == NONE ->
            who = idle[nidle - 1];
#if MUTANT != 15
            nidle--;
#endif
        fi;
        if
        :: who != NONE ->
            called[who] = true;
            waking++;
            calls++;
        :: else -> skip;
        fi
    :: else -> skip;
    fi
}

inline call_worker(most)
{
    if
    :: waking == 0 && watcher == NONE && nidle == 0 && MAY_START && ELIGIBLE > 0 ->
        who = 0;
        do
        :: taken_place[who] -> who++;
        :: else -> break;
        od;
        taken_place[who] = true;
        nfree--;
        threads++;
        waking++;
        start = true;
        calls++;
        has_failed = false;
    :: else -> call_present(most);
    fi
}

/* The oldest job that is eligible; NONE. Sets `mine`. */
inline take()
{
    mine = NONE;
    if
    :: ELIGIBLE > 0 ->
        mine = 0;
        do
        :: job[mine] == QUEUED && OF_LANE(mine % 2) > 0 -> break;
        :: else -> mine++;
        od;
        job[mine] = TAKEN;
        queued[mine % 2]--;
        runs[mine % 2]++;
        running++;
    :: else -> skip;
    fi
}

/* Nobody is there to run them: all that are queued, noted in `orphans`. */
inline take_orphans()
{
    i = 0;
    do
    :: i < JOBS ->
        orphans[i] = false;
        if
#if MUTANT != 8
        :: threads == 0 && job[i] == QUEUED ->
            job[i] = TAKEN;
            queued[i % 2]--;
            orphans[i] = true;
#endif
        :: else -> skip;
        fi;
        i++;
    :: else -> break;
    od;
    i = 0;
}

inline go_home(which)
{
    if
    :: !gone ->
        job[which] = HOME;
        homes[which]++;
    :: else -> /* there is no loop to send it to */
        ended[which] = true;
        if
        :: let_go[which] -> abandoned--;
        :: else -> skip;
        fi
    fi
}

inline fail_orphans()
{
    do
    :: i < JOBS ->
        if
        :: orphans[i] -> atomic { go_home(i); }
        :: else -> skip;
        fi;
        i++;
    :: else -> i = 0; break;
    od
}

inline signal(whom)
{
    assert(!destroyed);
    if
    :: waiting[whom] -> signalled[whom] = true;
    :: else -> skip;
    fi
}

inline give_back(place)
{
    taken_place[place] = false;
    nfree++;
}

inline rouse()
{
    if
    :: who != NONE && !start -> atomic { signal(who); who = NONE; }
    :: who != NONE && start ->
        if
        :: atomic { !held && fails < FAILS ->
                fails++;
                has_failed = true;
                threads--;
#if MUTANT != 4
                waking--;
#endif
                give_back(who);
                take_orphans();
                call_present(1);
                unlock();
            }
            if
            :: who != NONE -> atomic { signal(who); who = NONE; }
            :: else -> skip;
            fi;
            fail_orphans();
        :: atomic { started[who] = true; who = NONE; }
        fi
    :: else -> skip;
    fi
}

inline last_goes()
{
    if
#if MUTANT == 11
    :: deserted ->
#else
    :: deserted && threads + leaving == 0 ->
#endif
        assert(!destroyed);
        destroyed = true;
    :: else -> skip;
    fi
}

proctype worker(byte me)
{
    byte who = NONE, other = NONE, mine = NONE, last = NONE, i = 0;
    bool start, other_start, arrived, over, orphans[JOBS];

end_free:
    atomic { started[me] -> started[me] = false; }
    if
    :: atomic { !held && hook_fails < HOOK_FAILS ->
            hook_fails++;
            has_failed = true;
            waking--;
            threads--;
            leaving++;
            take_orphans();
            who = NONE;
            start = false;
#if MUTANT != 9
            give_back(me);
#endif
            call_present(1);
            unlock();
        }
        rouse();
        fail_orphans();
        atomic {
            !held;
            leaving--;
#if MUTANT == 9
            give_back(me);
#endif
            last_goes();
        }
        goto end_free;
    :: atomic { !held -> waking--; arrived = true; over = false; held = true; goto look; }
    fi;

look: /* with the lock held */
    atomic {
        held = false;
        if
        :: watcher == NONE && !stopping && MUST_WATCH ->
            if
#if MUTANT != 7
            :: held = true; goto work; /* the oldest one has waited for too long */
#endif
            :: !over -> watches++;
                watcher = me;
                waiting[me] = true;
                unlock();
            fi
        :: else -> held = true; goto work;
        fi
    }

watching:
    if
    :: atomic { signalled[me] ->
            signalled[me] = false;
            if
            :: watcher == me && !stopping -> goto watching; /* in vain */
            :: else -> skip;
            fi;
            waiting[me] = false;
        }
#if MUTANT != 7
    :: atomic { over = true; waiting[me] = false; signalled[me] = false; } /* time is over */
#endif
    fi;
    atomic {
        !held;
        if
        :: watcher == me -> watcher = NONE;
        :: else -> skip;
        fi;
        if
        :: called[me] -> called[me] = false; waking--; arrived = true; over = false;
        :: else -> skip;
        fi;
        held = true; goto look;
    }

work: /* with the lock held; `last` is to be sent home */
    atomic {
        held = false;
        take();
#if MUTANT == 2
        if
        :: mine == NONE && last != NONE -> goto send_and_park;
        :: else -> skip;
        fi;
#endif
        if
        :: mine == NONE && last == NONE -> held = true; goto park;
        :: else -> skip;
        fi;
        other = NONE;
#if MUTANT == 1
        who = NONE;
#else
        if
        :: arrived ->
            call_worker(SPREAD);
            other = who;
            other_start = start;
            call_worker(SPREAD);
        :: else -> call_worker(1);
        fi;
        arrived = false;
#endif
        unlock();
    }
    rouse();
    if
    :: other != NONE -> atomic { who = other; start = other_start; }
        rouse();
    :: else -> skip;
    fi;
    if
    :: last != NONE -> atomic { go_home(last); last = NONE; }
    :: else -> skip;
    fi;
    if
    :: mine != NONE ->
#ifdef BLOCKS
        if
        :: mine == 0 ->
            atomic {
                !held;
                blocked++;
#if MUTANT == 5
                who = NONE;
#else
                call_worker(1);
                unlock();
#endif
            }
            rouse();
            (returned[JOBS - 1] || homes[JOBS - 1] > 0);
            atomic { !held; blocked--; call_worker(1); unlock(); }
            rouse();
        :: else -> skip;
        fi;
#endif
#ifdef OPAQUE
        if
        :: mine == 0 -> (returned[JOBS - 1] || homes[JOBS - 1] > 0);
        :: else -> skip;
        fi;
#endif
        if
        :: mine < STUCK -> released;
        :: else -> skip;
        fi;
        returned[mine] = true;
        atomic {
            !held;
            assert(!destroyed);
            running--;
            runs[mine % 2]--;
            last = mine;
            held = true; goto work;
        }
    :: else -> atomic { !held; assert(!destroyed); held = true; goto work; }
    fi;

#if MUTANT == 2
send_and_park:
    atomic { go_home(last); last = NONE; }
#endif

park: /* with the lock held */
    atomic {
        held = false;
        idle[nidle] = me;
        nidle++;
        waiting[me] = true;
        signalled[me] = stopping; /* who looks before it waits, does not */
#if MUTANT != 2
        unlock();
#endif
    }

parked:
    if
    :: atomic { signalled[me] -> over = false; }
    :: atomic { threads > MIN -> over = true; }
    fi;
    atomic {
        !held;
        assert(!destroyed);
        signalled[me] = false;
        if
#if MUTANT == 3
        :: called[me] && !over ->
#else
        :: called[me] ->
#endif
            waiting[me] = false;
            called[me] = false;
            waking--;
            arrived = true;
            over = false;
            held = true; goto look;
        :: else ->
            if
            :: !stopping && !(over && threads > MIN) -> over = false; goto parked;
            :: else -> skip;
            fi
        fi;
        waiting[me] = false; /* leave; off the idle list */
        i = 0;
        do
        :: i < nidle && idle[i] == me -> break;
        :: i < nidle && idle[i] != me -> i++;
        :: i >= nidle -> break;
        od;
        if
        :: i < nidle -> nidle--;
        :: else -> skip;
        fi;
        do
        :: i < nidle -> idle[i] = idle[i + 1]; i++;
        :: else -> break;
        od;
        i = 0;
        threads--;
#if MUTANT != 14
        leaving++;
#endif
        give_back(me);
        unlock();
    }
    atomic { /* after thread_stop */
        !held;
        assert(!destroyed);
#if MUTANT != 14
        leaving--;
#endif
        last_goes();
    }
    goto end_free;
}

proctype loop()
{
    byte who = NONE, j = 0, i = 0;
    bool start, orphans[JOBS];

    do
    :: j < JOBS ->
        atomic {
            !held;
            job[j] = QUEUED;
            queued[j % 2]++;
            call_worker(1);
            unlock();
        }
        rouse();
        j++;
    :: else -> break;
    od;
    if
    :: limit[0] < JOBS ->
        atomic {
            !held;
            limit[0] = JOBS;
#if MUTANT == 13
            who = NONE;
#else
            call_worker(1);
            unlock();
#endif
        }
        rouse();
    :: else -> skip;
    fi;
    j = 0;
    do
    :: j < JOBS ->
        if
#ifdef CANCELS
#if MUTANT == 12
        :: atomic { !held && job[j] == QUEUED || !held && job[j] == TAKEN ->
                if
                :: job[j] == QUEUED -> queued[j % 2]--;
                :: else -> skip;
                fi;
#else
        :: atomic { !held && job[j] == QUEUED ->
                queued[j % 2]--;
#endif
                job[j] = HOME;
                homes[j]++;
            }
#endif
        :: j < STUCK -> skip;
        :: homes[j] > 0 -> skip;
        fi;
        j++;
    :: else -> break;
    od;
    atomic { /* the loop ends: what is queued is dropped; what runs finds no way home */
        !held;
        do
        :: i < JOBS && job[i] == QUEUED -> queued[i % 2]--; job[i] = HOME; homes[i]++; i++;
        :: i < JOBS && job[i] != QUEUED -> i++;
        :: else -> break;
        od;
        i = 0;
        gone = true;
    }
    atomic {
        !held;
        do
        :: i < JOBS && homes[i] == 0 && !ended[i] -> let_go[i] = true; abandoned++; i++;
        :: i < JOBS && (homes[i] > 0 || ended[i]) -> i++;
        :: else -> break;
        od
    }
    atomic { /* the last reference */
        !held;
        assert(!destroyed);
        stopping = true;
        i = 0;
#if MUTANT != 10
        do
        :: i < nidle -> signal(idle[i]); i++;
        :: else -> break;
        od;
#endif
        if
        :: watcher != NONE -> signal(watcher);
        :: else -> skip;
        fi
    }
    atomic { !held && threads + leaving <= abandoned ->
        deserted = true;
        if
        :: threads + leaving == 0 -> assert(!destroyed); destroyed = true;
        :: else -> skip;
        fi
    }
    released = true;
    destroyed;
    i = 0;
    do
    :: i < JOBS ->
        assert(homes[i] == (ended[i] -> 0 : 1));
        assert(!ended[i] || i < STUCK);
        i++;
    :: else -> break;
    od;
    assert(threads == 0 && leaving == 0 && nfree == PLACES && running == 0 && blocked == 0);
    assert(calls <= JOBS + watches + fails + hook_fails);
}

init
{
    byte n = 0;
    atomic {
        limit[0] = LIMIT;
        limit[1] = JOBS;
        run loop();
        do
        :: n < PLACES -> run worker(n); n++;
        :: else -> break;
        od
    }
}
