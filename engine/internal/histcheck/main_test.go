package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const good = `{"node":"w","life":"a","n":1,"ev":"begin","at":1,"req":"q","ask":{"begin":[{"playbook":"p"}]}}
{"node":"w","life":"a","n":1,"ev":"begin","end":"ok","at":2,"run":"r","answer":{"new":true}}
{"node":"w","life":"a","n":2,"ev":"claim","at":3,"ask":{"max":10,"last":60000000000}}
{"node":"w","life":"a","n":2,"ev":"claim","end":"ok","at":4,"answer":{"grants":[{"run":"r","token":"t"}]}}
{"node":"w","life":"a","n":3,"ev":"settle","at":5,"req":"s","run":"r","token":"t","ask":{"intent":true,"said":[{"kind":"effect.intent","effect":"e","class":"destroys"}]}}
{"node":"w","life":"a","n":3,"ev":"settle","end":"ok","at":6,"answer":{"holds":true}}
`

func TestExitCodes(t *testing.T) {
	again := strings.NewReplacer(`"n":3`, `"n":4`, `"req":"s"`, `"req":"u"`).Replace(good[strings.Index(good, `{"node":"w","life":"a","n":3`):])
	history := file(t, "history", good)
	dump := file(t, "dump", `{"ID":"r","Status":"running","Strands":[{"State":"leased"}]}`+"\n")
	witness := `[{"seq":1,"at":"1970-01-01T00:00:01Z","request_id":"e","operation":"permission.delete","target":"/f","status":204,"before":{}}`
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"good", []string{"--dump", dump, "--witness", file(t, "witness", witness+"]"), history}, kept, "1 runs, 1 settles, 1 claimed, 0 joins, 1 intents, 0 calls that nobody knows the end of: 0 violations"},
		{"settled twice", []string{file(t, "history", good+again)}, broken, `law 2: r: position 0 was settled twice`},
		{"two files", []string{history, file(t, "history", again)}, broken, `> 6: w/a #4 settle … r "" at 0 token t intent effect.intent:e`},
		{"nothing at the end", []string{"--dump", file(t, "dump", ""), history}, broken, "law 1: r:"},
		{"destroyed twice", []string{"--witness", file(t, "witness", witness+","+witness[1:]+"]"), history}, broken, "law 6: r:"},
		{"usage", nil, badUsage, "usage:"},
		{"wrong flag", []string{"--no", history}, badUsage, "usage:"},
		{"no file", []string{history + ".no"}, unreadable, "no such file"},
		{"garbage", []string{file(t, "history", good+"garbage\n")}, unreadable, "line 7"},
		{"garbage of a dump", []string{"--dump", file(t, "dump", "garbage"), history}, unreadable, "invalid"},
		{"a dump of something else", []string{"--dump", file(t, "dump", "7"), history}, unreadable, "cannot unmarshal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, log bytes.Buffer
			if code := run(c.args, &out, &log); code != c.code {
				t.Errorf("it exits with %d, it must be %d", code, c.code)
			}
			if all := out.String() + log.String(); !strings.Contains(all, c.says) {
				t.Errorf("it says %q, it must say %q", all, c.says)
			}
		})
	}
}
