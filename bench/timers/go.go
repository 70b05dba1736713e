// SPDX-License-Identifier: MIT

// Go: time.AfterFunc() and Stop(). Go's timers expire while the program waits, as there is no loop to hold
// up: there is no figure for that.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"time"
)

func main() {
	workload, peer := os.Args[1], os.Args[2]
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
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
	emit := func(metric string, from, to time.Time) {
		fmt.Printf("%s %s %s %.6g ns\n", workload, peer, metric, float64(to.Sub(from))/float64(count))
	}
	emit("insert", start, inserted)
	emit("cancel", inserted, cancelled)
	emit("pair", start, cancelled)
}
