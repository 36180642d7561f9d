// Package main says what is wrong, or soon will be, with the certificates that a server shows.
package main

import (
	"time"

	pdk "github.com/extism/go-pdk"
)

type input struct {
	PEM      string `json:"pem"`
	Host     string `json:"host"`
	WarnDays int    `json:"warnDays"`
}

// The clock is the action's: every attempt and every replay gives the same report.
//
//go:wasmexport report
func report() int32 {
	asked := input{WarnDays: 30}
	if err := pdk.InputJSON(&asked); err != nil {
		return fail(err)
	}
	chain, err := readChain(asked.PEM)
	if err != nil {
		return fail(err)
	}
	result := inspect(chain, asked.Host, time.Now(), time.Duration(asked.WarnDays)*24*time.Hour)
	if err := pdk.OutputJSON(result); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int32 {
	pdk.SetError(err)
	return 1
}

func main() {}
