//go:build race

package lsm

const modelUnderRace = true
