// SPDX-License-Identifier: MIT

// Go: time.AfterFunc() and Stop(). Go's timers expire while the program waits, as there is no loop to hold
// up: there is no figure for that.
package main

import (
	"math/rand"
	"os"
	"time"
)

func main() {
	count := int(number(os.Args[3]))
	random := rand.New(rand.NewSource(7))
	times := make([]time.Duration, count)
	for i := range times {
		times[i] = time.Duration(1000+random.Intn(3599000)) * time.Millisecond
	}
	order := random.Perm(count)
	timers := make([]*time.Timer, count)
	call := func() {}
	start := time.Now()
	for i := range timers {
		timers[i] = time.AfterFunc(times[i], call)
	}
	inserted := time.Now()
	for _, i := range order {
		timers[i].Stop()
	}
	cancelled := time.Now()
	each := func(from, to time.Time) float64 { return float64(to.Sub(from)) / float64(count) }
	emit("insert", each(start, inserted), "ns")
	emit("cancel", each(inserted, cancelled), "ns")
	emit("pair", each(start, cancelled), "ns")
}
