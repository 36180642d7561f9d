// Command log-fsck has Tessera's fsck check a served log of Portarium: it makes every tile anew from the entries,
// and compares. Usage: log-fsck URL ORIGIN VKEY; URL ends in /evidence/log, the key stands in LOG_CHECK_TOKEN.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

// workers fetch and compare at a time.
const workers = 4

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "log-fsck:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: log-fsck URL ORIGIN VKEY")
	}
	base, err := url.Parse(strings.TrimRight(args[0], "/") + "/")
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(args[2])
	if err != nil {
		return err
	}
	source, err := client.NewHTTPFetcher(base, nil)
	if err != nil {
		return err
	}
	source.SetAuthorizationHeader("Bearer " + os.Getenv("LOG_CHECK_TOKEN"))
	check := fsck.New(args[1], verifier, source, leafHashes, fsck.Opts{N: workers})
	if err := check.Check(context.Background()); err != nil {
		return err
	}
	fmt.Printf("%s: every tile is the one that the entries give\n", args[1])
	return nil
}

// leafHashes are those of RFC 6962 over the entries of a bundle.
func leafHashes(bundle []byte) ([][]byte, error) {
	parsed := &api.EntryBundle{}
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(parsed.Entries))
	for _, entry := range parsed.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}
