// SPDX-License-Identifier: MIT

// Go: a goroutine is the loop, others are the pool. MODE=chan (default): they take jobs from a
// channel; MODE=locked: each of them holds an OS thread, as it does in a blocking call; MODE=spawn: a
// goroutine for each job.
package main

import (
	"os"
	"runtime"
	"syscall"
)

func job(sleepUs int64) {
	if sleepUs > 0 {
		time := syscall.NsecToTimespec(sleepUs * 1000)
		syscall.Nanosleep(&time, nil)
	}
}

type pool struct {
	queued, done chan int
	submit       func(slot int)
}

func (p *pool) spawnEach(threads, sleepUs int64) {
	running := make(chan struct{}, threads)
	p.submit = func(slot int) {
		go func() {
			running <- struct{}{}
			job(sleepUs)
			<-running
			p.done <- slot
		}()
	}
}

func (p *pool) startWorkers(threads, sleepUs int64, locked bool) {
	for i := int64(0); i < threads; i++ {
		go func() {
			if locked {
				runtime.LockOSThread()
			}
			for slot := range p.queued {
				job(sleepUs)
				p.done <- slot
			}
		}()
	}
	p.submit = func(slot int) { p.queued <- slot }
}

func (p *pool) phase(inFlight, total int64) {
	submitted := inFlight
	if submitted > total {
		submitted = total
	}
	for i := int64(0); i < submitted; i++ {
		p.submit(int(i))
	}
	for done := int64(0); done < total; done++ {
		slot := <-p.done
		if submitted < total {
			submitted++
			p.submit(slot)
		}
	}
}

func main() {
	threads, inFlight := number(os.Args[3]), number(os.Args[4])
	jobs, sleepUs := number(os.Args[5]), number(os.Args[6])
	mode := os.Getenv("MODE")
	p := &pool{queued: make(chan int, inFlight), done: make(chan int, inFlight)}
	if mode == "spawn" {
		p.spawnEach(threads, sleepUs)
	} else {
		p.startWorkers(threads, sleepUs, mode == "locked")
	}
	if mode == "locked" {
		runtime.LockOSThread()
	}
	if sleepUs > 0 {
		p.phase(inFlight, jobs)
	} else {
		p.phase(inFlight, (jobs+9)/10)
	}
	start := usageNow()
	p.phase(inFlight, jobs)
	emitOps(jobs, start, usageNow())
}
