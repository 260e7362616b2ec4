package graph_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"stanch/connectors/graph"
)

// The vectors of rclone/rclone backend/onedrive/quickxorhash/quickxorhash_test.go.
func TestQuickXorHashIsTheirs(t *testing.T) {
	for in, want := range map[string]string{
		"":     "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"Sg==": "SgAAAAAAAAAAAAAAAQAAAAAAAAA=",
		"tbQ=": "taAFAAAAAAAAAAAAAgAAAAAAAAA=",
	} {
		b, err := base64.StdEncoding.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		var q graph.QuickXor
		_, _ = q.Write(b)
		if got := q.Text(); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// Every bit of it is the exclusive or of bits that are 160 apart in a stream in
// which each byte is 11 bits farther, computed here bit by bit.
func TestQuickXorHashBitByBit(t *testing.T) {
	content := bytes.Repeat([]byte("Payroll November 2026, line by line. "), 300)
	var bits [160]byte
	for i, c := range content {
		for b := range 8 {
			bits[(11*i+b)%160] ^= c >> b & 1
		}
	}
	for b := range 64 {
		bits[96+b] ^= byte(uint64(len(content)) >> b & 1)
	}
	want := make([]byte, 20)
	for i, b := range bits {
		want[i/8] |= b << (i % 8)
	}
	var q graph.QuickXor
	for at := 0; at < len(content); at += 7 { // in parts
		_, _ = q.Write(content[at:min(at+7, len(content))])
	}
	if got := q.Sum(nil); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
