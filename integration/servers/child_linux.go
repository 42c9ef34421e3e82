package servers

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// startChild starts a command in its own process group. The kernel kills it (SIGKILL) if this
// program ends without having stopped it.
//
// The kernel sends that signal when the thread ends that has started the child, and the Go runtime may
// end threads. So one goroutine that never ends, locked to its thread, starts all children.
func startChild(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starter() <- func() { started <- command.Start() }
	return <-started
}

// starter returns the channel of functions that the goroutine calls.
var starter = sync.OnceValue(func() chan<- func() {
	functions := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range functions {
			f()
		}
	}()
	return functions
})
