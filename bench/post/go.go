// SPDX-License-Identifier: MIT

// Go: goroutines post functions through a channel to the one that is the loop. Each holds an OS thread,
// as the threads of other peers do; with MODE=goroutine they do not.
package main

import (
	"os"
	"runtime"
)

func main() {
	producers := number(os.Args[3])
	ofEach := number(os.Args[4]) / producers
	total := ofEach * producers
	locked := os.Getenv("MODE") != "goroutine"
	calls := make(chan func(), 1024)
	ran := int64(0)
	start := usageNow()
	for i := int64(0); i < producers; i++ {
		go func() {
			if locked {
				runtime.LockOSThread()
			}
			for j := int64(0); j < ofEach; j++ {
				calls <- func() { ran++ }
			}
		}()
	}
	for ran < total {
		(<-calls)()
	}
	emitOps(total, start, usageNow())
}
