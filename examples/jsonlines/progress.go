package main

import (
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/job"
)

// progress counts, and reports to the user.
//
// Thread safety: safe for concurrent use.
type progress struct {
	skipped, late atomic.Int64
	before        atomic.Int64 // records of earlier runs
	newest        atomic.Pointer[job.CheckpointReport]
}

// checkpoint is job.Options.OnCheckpoint.
func (p *progress) checkpoint(r job.CheckpointReport) {
	if r.Err != nil {
		log.Print(r.Err)
		return
	}
	p.newest.Store(&r)
}

// restore is job.Options.OnRestore.
func (p *progress) restore(r job.RestoreReport) {
	for _, skipped := range r.Skipped {
		log.Printf("checkpoint skipped: %v", skipped)
	}
	if r.Checkpoint != 0 {
		p.before.Store(r.Offset)
		log.Printf("continue from checkpoint %d, after %d lines", r.Checkpoint, r.Offset)
	}
}

// show logs a line at each interval until done is closed. If the interval is 0, it logs nothing.
func (p *progress) show(running *job.Running, interval time.Duration, done <-chan struct{}) {
	if interval == 0 {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for last := int64(0); ; {
		select {
		case <-done:
			return
		case <-ticker.C:
			read := running.Records()
			text := fmt.Sprintf("%s, %.0f per second", p.totals(read), float64(read-last)/interval.Seconds())
			if c := p.newest.Load(); c != nil {
				text += fmt.Sprintf("; checkpoint %d: %d bytes in %v", c.ID, c.Bytes, c.Took.Round(time.Millisecond))
			}
			log.Print(text)
			last = read
		}
	}
}

// totals returns how many lines were read, by this run and by earlier ones.
func (p *progress) totals(read int64) string {
	return fmt.Sprintf("%d lines, %d late, %d skipped", p.before.Load()+read, p.late.Load(), p.skipped.Load())
}
