//go:build race

package lsmstate_test

const underRace = true
