package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Progress draws a progress bar on a terminal, five times per second until Close. The methods
// of a nil Progress do nothing.
//
// Thread safety: safe for concurrent use.
type Progress struct {
	out   io.Writer
	label string
	total int64
	begun time.Time
	stop  chan struct{} // closed by Close
	ended chan struct{} // closed when the goroutine has ended

	done     atomic.Int64 // of total
	restored atomic.Bool  // the job was restored at least once
}

const (
	drawPeriod = 200 * time.Millisecond
	barCells   = 24
	// lineCells is the width of the line, less than the 80 columns of a usual terminal.
	lineCells = 79
)

// StartProgress starts a progress bar if out is a terminal. Otherwise it writes the label as one
// line and returns nil.
func StartProgress(out io.Writer, label string, total int64) *Progress {
	if !isTerminal(out) {
		fmt.Fprintln(out, label)
		return nil
	}
	p := &Progress{
		out: out, label: label, total: max(total, 1), begun: time.Now(),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go p.run()
	return p
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Set sets how much of the total is done, and the number of restores so far. The work done may
// be less than before: a restore goes back.
func (p *Progress) Set(done int64, restores int) {
	if p != nil {
		p.done.Store(done)
		p.restored.Store(restores > 0)
	}
}

// Close stops drawing and clears the line.
func (p *Progress) Close() {
	if p != nil {
		close(p.stop)
		<-p.ended
	}
}

func (p *Progress) run() {
	defer close(p.ended)
	ticker := time.NewTicker(drawPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.draw(p.line())
		case <-p.stop:
			p.draw("")
			fmt.Fprint(p.out, "\r")
			return
		}
	}
}

// draw overwrites the line. It pads with blanks instead of using escape codes, because some
// terminals do not support them.
func (p *Progress) draw(line string) {
	fmt.Fprintf(p.out, "\r%-*.*s", lineCells, lineCells, line)
}

func (p *Progress) line() string {
	done := min(p.done.Load(), p.total)
	full := int(done * barCells / p.total)
	bar := strings.Repeat("#", full) + strings.Repeat("-", barCells-full)
	line := fmt.Sprintf("%s [%s] %3d%%", p.label, bar, done*100/p.total)
	if seconds := int64(time.Since(p.begun) / time.Second); done > 0 && done < p.total && seconds > 0 {
		line += fmt.Sprintf(" %d s", seconds)
	}
	if p.restored.Load() {
		line += "  restored"
	}
	return line
}
