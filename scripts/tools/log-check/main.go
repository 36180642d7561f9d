// Command log-check verifies a log of Portarium with Go's note and tlog packages and nothing of ours: one that is
// served over HTTP, or one in an exported bundle. It reads checkpoint, tiles and entries as C2SP lays them out.
//
//	log-check served URL ORIGIN VKEY [SINCE]   URL ends in /evidence/log; the key stands in LOG_CHECK_TOKEN
//	log-check bundle FILE ORIGIN VKEY [SINCE]  FILE is what `portarium evidence export` wrote
package main

import (
	"archive/tar"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height    = 8
	tileWidth = 1 << height
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "log-check:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 || len(args) > 5 {
		return errors.New("usage: log-check served|bundle URL|FILE ORIGIN VKEY [SINCE]")
	}
	kind, where, origin, vkey := args[0], args[1], args[2], args[3]
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	var source files
	switch kind {
	case "served":
		source = served{strings.TrimRight(where, "/"), os.Getenv("LOG_CHECK_TOKEN")}
	case "bundle":
		if source, err = openBundle(where); err != nil {
			return err
		}
	default:
		return fmt.Errorf("neither served nor bundle: %q", kind)
	}
	text, err := source.read("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(text, origin, verifier)
	if err != nil {
		return err
	}
	if b, ok := source.(bundle); ok && b.action() {
		n, err := checkProofs(b, text, tree)
		if err == nil {
			fmt.Printf("%s: %d entries of one action are in the log of %d\n", origin, n, tree.N)
		}
		return err
	}
	if err := checkLog(source, tree); err != nil {
		return err
	}
	if len(args) == 5 {
		if err := checkSince(source, tree, args[4], origin, verifier); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d entries, every one in the signed tree\n", origin, tree.N)
	return nil
}

// openCheckpoint reads a signed note as a C2SP checkpoint: origin, size, root.
func openCheckpoint(text []byte, origin string, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("checkpoint: of %q, expected %q", lines[0], origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("checkpoint: no root")
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// checkLog reads every entry and holds its hash against the tiles, which tlog authenticates by the signed root.
func checkLog(source files, tree tlog.Tree) error {
	hashes := tlog.TileHashReader(tree, tileReader{source})
	for first := int64(0); first < tree.N; first += tileWidth {
		width := min(tileWidth, tree.N-first)
		data, err := source.read("tile/entries/" + tilePath(first/tileWidth, width))
		if err != nil {
			return err
		}
		entries, err := splitBundle(data)
		if err != nil || int64(len(entries)) != width {
			return fmt.Errorf("entries from %d: %d of %d (%v)", first, len(entries), width, err)
		}
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		leaves, err := hashes.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != leaves[i] {
				return fmt.Errorf("entry %d is not what the tree holds", first+int64(i))
			}
		}
	}
	if tree.N == 0 {
		return nil
	}
	// Proofs that Go makes from our tiles, of the first, a middle and the last entry.
	for _, n := range []int64{0, tree.N / 2, tree.N - 1} {
		proof, err := tlog.ProveRecord(tree.N, n, hashes)
		if err != nil {
			return err
		}
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, n, leaf[0]); err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
	}
	return nil
}

// checkSince proves that the log contains what an older checkpoint signed.
func checkSince(source files, tree tlog.Tree, file, origin string, verifier note.Verifier) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	older, err := openCheckpoint(text, origin, verifier)
	if err != nil {
		return fmt.Errorf("the older %w", err)
	}
	if older.N > tree.N {
		return fmt.Errorf("the log has %d entries, the older checkpoint %d", tree.N, older.N)
	}
	proof, err := tlog.ProveTree(tree.N, older.N, tlog.TileHashReader(tree, tileReader{source}))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash)
}

// checkProofs holds each entry of a bundle of one action against its C2SP tlog-proof.
func checkProofs(b bundle, checkpoint []byte, tree tlog.Tree) (int, error) {
	count := 0
	for name, data := range b {
		rest, found := strings.CutPrefix(name, "log/entry/")
		if !found {
			continue
		}
		seq, err := strconv.ParseInt(strings.TrimSuffix(rest, ".json"), 10, 64)
		if err != nil {
			return 0, err
		}
		proof := string(b[fmt.Sprintf("log/proof/%d.tlog-proof", seq)])
		head, note, found := strings.Cut(proof, "\n\n")
		if !found || note != string(checkpoint) {
			return 0, fmt.Errorf("entry %d: its proof is not under the checkpoint", seq)
		}
		lines := strings.Split(head, "\n")
		if lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != fmt.Sprintf("index %d", seq) {
			return 0, fmt.Errorf("entry %d: its proof is about something else", seq)
		}
		var hashes tlog.RecordProof
		for _, line := range lines[2:] {
			var hash tlog.Hash
			raw, err := base64.StdEncoding.DecodeString(line)
			if err != nil || copy(hash[:], raw) != tlog.HashSize {
				return 0, fmt.Errorf("entry %d: no hash: %q", seq, line)
			}
			hashes = append(hashes, hash)
		}
		if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, seq, tlog.RecordHash(data)); err != nil {
			return 0, fmt.Errorf("entry %d: %w", seq, err)
		}
		count++
	}
	if count == 0 {
		return 0, errors.New("the bundle has no entry")
	}
	return count, nil
}

// tileReader gives Go's tlog the tiles under their C2SP names.
type tileReader struct{ source files }

func (r tileReader) Height() int { return height }

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := fmt.Sprintf("tile/%d/%s", tile.L, tilePath(tile.N, int64(tile.W)))
		read, err := r.source.read(path)
		if err != nil {
			return nil, err
		}
		data[i] = read
	}
	return data, nil
}

func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// tilePath is the index of a tile in groups of three digits, all but the last marked, and its width unless it is full.
func tilePath(n, width int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < tileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

// splitBundle gives the entries of an entry bundle, each behind its length as big-endian uint16.
func splitBundle(data []byte) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return entries, io.ErrUnexpectedEOF
		}
		end := 2 + int(data[0])<<8 + int(data[1])
		if end > len(data) {
			return entries, io.ErrUnexpectedEOF
		}
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	return entries, nil
}

// files are what lies below a log's prefix.
type files interface {
	read(path string) ([]byte, error)
}

type served struct{ url, token string }

func (s served) read(path string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, s.url+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

type bundle map[string][]byte

func openBundle(file string) (bundle, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	b := bundle{}
	for reader := tar.NewReader(opened); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if b[header.Name], err = io.ReadAll(reader); err != nil {
			return nil, err
		}
	}
}

func (b bundle) read(path string) ([]byte, error) {
	data, found := b["log/"+path]
	if !found {
		return nil, fmt.Errorf("the bundle has no log/%s", path)
	}
	return data, nil
}

// action says whether it is a bundle of one action, which has proofs and no tiles.
func (b bundle) action() bool {
	names := make([]string, 0, len(b))
	for name := range b {
		names = append(names, name)
	}
	sort.Strings(names)
	at := sort.SearchStrings(names, "log/entry/")
	return at < len(names) && strings.HasPrefix(names[at], "log/entry/")
}
