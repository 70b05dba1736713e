// SPDX-License-Identifier: MIT

// Go: a goroutine for each sleep.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

// mostKb is the most memory that the process has had.
func mostKb() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM") {
			return float64(number(strings.Fields(line)[1]))
		}
	}
	return -1
}

func main() {
	workload, peer, count, sleepMs := os.Args[1], os.Args[2], number(os.Args[3]), number(os.Args[4])
	kbBefore := mostKb()
	start := time.Now()
	var group sync.WaitGroup
	group.Add(int(count))
	for i := int64(0); i < count; i++ {
		go func() {
			time.Sleep(time.Duration(sleepMs) * time.Millisecond)
			group.Done()
		}()
	}
	group.Wait()
	wallMs := float64(time.Since(start)) / 1e6
	kb := mostKb()
	var used syscall.Rusage
	syscall.Getrusage(0, &used)
	emit := func(metric string, value float64, unit string) {
		fmt.Printf("%s %s %s %.6g %s\n", workload, peer, metric, value, unit)
	}
	emit("peak_rss", kb/1024, "MiB")
	emit("bytes_per_task", (kb-kbBefore)*1024/float64(count), "B")
	emit("overhead", wallMs-float64(sleepMs), "ms")
	emit("cpu", float64(used.Utime.Nano()+used.Stime.Nano())/1e6, "ms")
}
