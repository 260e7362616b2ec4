package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what `stanch version` tells.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Language int    `json:"language"` // version of the playbook language
}

func versionCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "version",
		Short:   "Tell which build this is",
		Example: "  stanch version\n  stanch version --output json",
		Args:    noArgs,
		RunE: verb(func(context.Context, []string) error {
			b := thisBuild()
			return sh.print(b, func() {
				sh.out.Printf("stanch %s (%s, %s, %s)\n", b.Version, b.Commit, b.Go, b.Platform)
			})
		}),
	}
	sh.outputFlag(c)
	return c
}

// thisBuild reads what the Go toolchain has written into the binary.
func thisBuild() build {
	b := build{Version: "devel", Commit: "unknown commit", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Language: 1}
	info, known := debug.ReadBuildInfo()
	if !known {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
