package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"stanch/playbooks"
	"stanch/playbooks/picture"
	"stanch/playbooks/review"
)

// Every example can be drawn, with all its steps, and compared with itself.
func TestEveryExampleIsDrawn(t *testing.T) {
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := loadBooks([]string{"../../examples"}, playbooks.World{Catalog: catalog})
	if err != nil {
		t.Fatal(err)
	}
	drawn := 0
	for _, b := range s.books {
		if b.playbook == nil || playbooks.HasErrors(b.findings) {
			continue // lint tells
		}
		p := picture.New(b.playbook, review.New(b.playbook).Starts, nil)
		svg := p.SVG()
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", b.file, err)
			}
		}
		b.playbook.Walk(func(path string, s *playbooks.Step) {
			if !strings.Contains(svg, "<title>"+path+":") {
				t.Errorf("%s: step %s is not drawn", b.file, path)
			}
		})
		if d := review.Compare(b.playbook, b.playbook); !d.Same() {
			t.Errorf("%s is not itself: %s", b.file, d.Summary)
		}
		drawn++
	}
	if drawn < 3 {
		t.Errorf("only %d examples are drawn", drawn)
	}
}
