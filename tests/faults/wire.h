/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_FAULTS_WIRE_H
#define WEFT_TESTS_FAULTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Two hosts and a bad wire between them, in one process: each host is a network namespace, and each
 * thread is on one of them at a time. A socket belongs to the host on which it was made, and what a
 * listener accepts to that of the listener: so a server and its clients may share a loop, and yet
 * every byte goes by the wire.
 */
enum wire_host { WIRE_NEAR, WIRE_FAR };

/* How they are reached. Everybody else in these networks (WIRE_NOBODY) is a black hole. */
#define WIRE_NEAR_4 "10.77.0.1"
#define WIRE_FAR_4 "10.77.0.2"
#define WIRE_NOBODY_4 "10.77.0.99"
#define WIRE_NEAR_6 "2001:db8:77::1"
#define WIRE_FAR_6 "2001:db8:77::2"

/* What the wire does to the packets of one direction. Zero: nothing. */
struct wire_faults {
    unsigned lost, twice, late; /* so many of a thousand: never come; come twice; are overtaken */
    int64_t delay;              /* ns, of every packet */
    int64_t lateness;           /* ns more, of those that are late; 0: 2 ms */
    int64_t rate; /* bytes a second; what waits for longer than 10 ms is lost; 0: any */
};

/* What it did to packets of TCP and UDP. */
struct wire_counts {
    uint64_t seen, passed; /* `passed` is without the second of two */
    uint64_t lost, twice, late;
    uint64_t cut; /* lost since the wire is cut */
};

/* Make it, and be on the near host. The same seed does the same to the n-th packet. */
void wire_begin(uint64_t seed);
void wire_end(void);

/* This thread, and those that it makes, are on that host from now on. */
void wire_be_at(enum wire_host host);

/* What happens to the packets that leave that host. */
void wire_set(enum wire_host from, const struct wire_faults *faults);
struct wire_counts wire_counted(enum wire_host from);

/* Nothing comes through in either direction, of IPv4, or of IPv6; until it is healed. */
enum wire_part { WIRE_IPV4 = 1, WIRE_IPV6 = 2, WIRE_WHOLE = 3 };
void wire_cut(enum wire_part part);
void wire_heal(void);

/*
 * Of the TCP packets that leave that host from now on and carry bytes, the n-th, counted from 0, is the
 * first that does not come through: nothing does from there on. Or, by wire_reset_at(), its connection is
 * reset: both of its ends are told so, each in the name of the other.
 */
void wire_cut_at(enum wire_host from, unsigned n);
void wire_reset_at(enum wire_host from, unsigned n);

/* That has happened. */
bool wire_has_struck(void);

/* Bytes that are a function of their place, so that none can be lost, doubled or moved unseen. */
void wire_pattern(char *to, size_t len, uint64_t place);
bool wire_is_pattern(const char *bytes, size_t len, uint64_t place);

#endif
