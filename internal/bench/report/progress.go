package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Progress draws a line on a terminal several times a second until it is closed. A nil
// Progress draws nothing.
//
// Thread safety: safe for concurrent use.
type Progress struct {
	out   io.Writer
	label string
	total int64
	begun time.Time
	done  atomic.Int64 // of total
	again atomic.Bool  // after a restore
	stop  chan struct{}
	ended chan struct{}
}

const (
	drawPeriod = 200 * time.Millisecond
	barCells   = 24
	// lineCells is the width of the line; the usual terminals are wider.
	lineCells = 79
)

// StartProgress shows the progress of some work on a terminal. To any other output it
// writes one line, the label, and returns nil.
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

// Set takes how much of the work is done, which may be less than before, and how often
// it was restored.
func (p *Progress) Set(done int64, restores int) {
	if p != nil {
		p.done.Store(done)
		p.again.Store(restores > 0)
	}
}

// Close wipes the line.
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

// draw writes over the line. Blanks wipe the old one, since not every terminal knows
// escape codes.
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
	if p.again.Load() {
		line += "  restored"
	}
	return line
}
