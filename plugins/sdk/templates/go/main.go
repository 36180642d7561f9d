// Package main is a Portarium plugin.
package main

import pdk "github.com/extism/go-pdk"

type input struct {
	Name string `json:"name"`
}

type output struct {
	Greeting string `json:"greeting"`
}

//go:wasmexport greet
func greet() int32 {
	var asked input
	if err := pdk.InputJSON(&asked); err != nil {
		pdk.SetError(err)
		return 1
	}
	pdk.Log(pdk.LogInfo, "greets "+asked.Name)
	if err := pdk.OutputJSON(output{Greeting: "Hello, " + asked.Name + "!"}); err != nil {
		pdk.SetError(err)
		return 1
	}
	return 0
}

func main() {}
