package harness

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine describes the machine of a measurement.
type Machine struct {
	Go    string `json:"go"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Procs int    `json:"gomaxprocs"`
	CPU   string `json:"cpu,omitempty"` // model name; empty on systems without /proc/cpuinfo
}

// ThisMachine returns the description of the machine that runs the program.
func ThisMachine() Machine {
	return Machine{runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), procField("cpuinfo", "model name")}
}

// String returns the description in one line.
func (m Machine) String() string {
	s := fmt.Sprintf("%s %s/%s, GOMAXPROCS %d", m.Go, m.OS, m.Arch, m.Procs)
	if m.CPU != "" {
		s += ", " + m.CPU
	}
	return s
}

// peakRSS returns the peak resident memory of a running process in bytes, or 0 if the
// system does not report it.
func peakRSS(pid int) uint64 {
	kibibytes, _ := strings.CutSuffix(procField(fmt.Sprintf("%d/status", pid), "VmHWM"), " kB")
	n, _ := strconv.ParseUint(kibibytes, 10, 64)
	return n << 10
}

// procField returns the value of the line "name: value" in a file below /proc, or "" if the
// file or the line does not exist.
func procField(file, name string) string {
	content, err := os.ReadFile("/proc/" + file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
