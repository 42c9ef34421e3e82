// Package pages reads the code and the console sessions in Markdown pages. Its tests build
// the programs of the pages, run them, and compare their output with the output on the page.
package pages

import (
	"fmt"
	"os"
	"strings"
)

// Block is a fenced block of a page.
type Block struct {
	// Kind is the first word after the opening fence, such as go or console.
	Kind string
	// Name is the second word: the file that the block holds. It may be empty.
	Name string
	// Text is the text between the fences. It ends with a newline unless it is empty.
	Text string
	// Line is the number of the line of the opening fence, from 1.
	Line int
}

// Read returns the blocks of the page at path, in their order.
func Read(path string) ([]Block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	blocks, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("page %s: %w", path, err)
	}
	return blocks, nil
}

const fence = "```"

// parse returns the blocks of a page. Fences begin at the start of a line.
func parse(page string) (blocks []Block, err error) {
	var open *Block
	for i, line := range strings.SplitAfter(page, "\n") {
		info, isFence := strings.CutPrefix(strings.TrimRight(line, "\r\n"), fence)
		switch {
		case open == nil && isFence:
			open = &Block{Line: i + 1}
			if words := strings.Fields(info); len(words) > 0 {
				open.Kind, open.Name = words[0], strings.Join(words[1:], " ")
			}
		case open != nil && isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.Text += strings.ReplaceAll(line, "\r\n", "\n")
		}
	}
	if open != nil {
		return nil, fmt.Errorf("the block of line %d has no end", open.Line)
	}
	return blocks, nil
}

// Command is a command of a console session and the output that the page shows for it.
type Command struct {
	Line   string // without the prompt
	Output string // the lines up to the next command
}

const prompt = "$ "

// Commands returns the commands of a console session. A line that begins with "$ " is a
// command; lines before the first one are ignored.
func (b Block) Commands() (commands []Command) {
	for line := range strings.Lines(b.Text) {
		if command, ok := strings.CutPrefix(line, prompt); ok {
			commands = append(commands, Command{Line: strings.TrimSpace(command)})
		} else if last := len(commands) - 1; last >= 0 {
			commands[last].Output += line
		}
	}
	return commands
}
