package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine is what the numbers were measured on.
type machine struct {
	Go    string `json:"go"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Procs int    `json:"gomaxprocs"`
	CPU   string `json:"cpu,omitempty"` // empty where the system does not say
}

func thisMachine() machine {
	return machine{runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), procField("cpuinfo", "model name")}
}

func (m machine) String() string {
	s := fmt.Sprintf("%s %s/%s, GOMAXPROCS %d", m.Go, m.OS, m.Arch, m.Procs)
	if m.CPU != "" {
		s += ", " + m.CPU
	}
	return s
}

// peakRSS is the most memory that a living process has had resident, in bytes,
// 0 where the system does not say.
func peakRSS(pid int) uint64 {
	kibibytes, _ := strings.CutSuffix(procField(fmt.Sprintf("%d/status", pid), "VmHWM"), " kB")
	n, _ := strconv.ParseUint(kibibytes, 10, 64)
	return n << 10
}

// procField reads a line, as in "name: value", of a file that Linux has and
// others have not. It is empty if there is none.
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
