// Package main is a plugin with nothing but the standard PDK of Extism: the same module runs under
// Extism and here.
package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	pdk "github.com/extism/go-pdk"
)

var calls int

//go:wasmexport echo
func echo() int32 {
	pdk.Output(pdk.Input())
	return 0
}

//go:wasmexport variables
func variables() int32 {
	before := pdk.GetVar("kept")
	pdk.SetVar("kept", pdk.Input())
	pdk.SetVar("gone", []byte("x"))
	pdk.RemoveVar("gone")
	pdk.OutputString(fmt.Sprintf("%q %q %q", before, pdk.GetVar("kept"), pdk.GetVar("gone")))
	return 0
}

//go:wasmexport settings
func settings() int32 {
	greeting, known := pdk.GetConfig("greeting")
	absent, unknown := pdk.GetConfig("absent")
	pdk.OutputString(fmt.Sprintf("%q %v %q %v", greeting, known, absent, unknown))
	return 0
}

//go:wasmexport logs
func logs() int32 {
	pdk.Log(pdk.LogInfo, "told")
	pdk.Log(pdk.LogWarn, "warned")
	pdk.Log(pdk.LogError, "blamed")
	pdk.Log(pdk.LogDebug, "explained")
	pdk.Log(pdk.LogTrace, "traced")
	return 0
}

//go:wasmexport fails
func fails() int32 {
	pdk.SetError(errors.New("the disk is full ✗"))
	return 3
}

// A return code without an error.
//
//go:wasmexport code
func code() int32 { return 7 }

//go:wasmexport crashes
func crashes() int32 { panic("at the disco") }

//go:wasmexport counts
func counts() int32 {
	pdk.OutputString(fmt.Sprint(calls))
	calls++
	return 0
}

//go:wasmexport requests
func requests() int32 {
	request := pdk.NewHTTPRequest(pdk.MethodPost, pdk.InputString())
	request.SetHeader("content-type", "text/plain")
	request.SetBody([]byte("question"))
	answer := request.Send()
	pdk.OutputString(fmt.Sprintf("%d %s %s", answer.Status(), answer.Headers()["x-made-by"], answer.Body()))
	return 0
}

//go:wasmexport blocks
func blocks() int32 {
	data := make([]byte, 1_048_579)
	for n := range data {
		data[n] = byte(n * 7 % 251)
	}
	block := pdk.AllocateBytes(data)
	same := bytes.Equal(block.ReadBytes(), data)
	length := block.Length()
	block.Free()
	pdk.OutputString(fmt.Sprint(length, same))
	return 0
}

// What the machine is: arguments, environment, files.
//
//go:wasmexport machine
func machine() int32 {
	_, read := os.ReadFile("/etc/passwd")
	_, made := os.Create("left-behind")
	pdk.OutputString(fmt.Sprint(len(os.Environ()), read != nil, made != nil))
	return 0
}

//go:wasmexport prints
func prints() int32 {
	fmt.Println("to the one")
	fmt.Fprint(os.Stderr, "to the other")
	return 0
}

//go:wasmexport times
func times() int32 {
	began := time.Now()
	time.Sleep(90 * time.Second)
	drawn := make([]byte, 4)
	if _, err := rand.Read(drawn); err != nil {
		pdk.SetError(err)
		return 1
	}
	slept := time.Since(began).Round(time.Second)
	pdk.OutputString(fmt.Sprintf("%s %s %x", began.UTC().Format(time.RFC3339), slept, drawn))
	return 0
}

//go:wasmexport exits
func exits() int32 {
	pdk.OutputString("as it was")
	os.Exit(0)
	return 0
}

func main() {}
