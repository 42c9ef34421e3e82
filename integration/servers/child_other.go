//go:build unix && !linux

package servers

import (
	"os/exec"
	"syscall"
)

// startChild starts a command in its own process group.
func startChild(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command.Start()
}
