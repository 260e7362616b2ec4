package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"stanch/connectors"
)

// Reference names where a secret is. The file never holds the secret itself.
type Reference struct {
	Env     string `yaml:"env" doc:"name of an environment variable"`
	File    string `yaml:"file" doc:"path of a file that only its owner can read"`
	Vault   string `yaml:"vault" doc:"address of an Azure Key Vault, such as https://contoso.vault.azure.net, which the app reads from"`
	Secret  string `yaml:"secret" doc:"name of the secret in the vault"`
	Version string `yaml:"version" doc:"version of the secret in the vault; default the newest"`

	By *Vaults `yaml:"-"` // with Vault: who reads it; of UseVaults
}

// Empty reports whether nothing is named.
func (r Reference) Empty() bool { return r == Reference{} }

func (r Reference) String() string {
	if r.Env != "" {
		return "environment variable " + r.Env
	}
	if r.Vault != "" {
		return "secret " + r.Secret + " of " + r.Vault
	}
	return "file " + r.File
}

// leastSecret is the shortest secret that is taken: shorter ones are mistakes,
// and hiding them in texts would hide ordinary words.
const leastSecret = 8

// maxSecret bounds the file of a secret, in bytes.
const maxSecret = 1 << 20

// Read answers the secret that r names. Errors name the place, never the value.
func (r Reference) Read() (connectors.Secret, error) {
	var value string
	switch {
	case r.Env != "":
		v, set := os.LookupEnv(r.Env)
		if !set || v == "" {
			return "", fmt.Errorf("environment variable %s is not set: it must hold the secret", r.Env)
		}
		value = v
	case r.File != "":
		v, err := readPrivate(r.File)
		if err != nil {
			return "", err
		}
		value = v
	case r.Vault != "" && r.By == nil:
		return "", fmt.Errorf("%s: nobody here reads vaults", r)
	case r.Vault != "":
		v, err := r.By.read(r.Vault, r.Secret, r.Version)
		if err != nil {
			return "", err
		}
		value = string(v)
	default:
		return "", fmt.Errorf("no secret is named")
	}
	value = strings.TrimRight(value, "\r\n")
	if len(value) < leastSecret {
		return "", fmt.Errorf("%s holds less than %d characters: this is no secret", r, leastSecret)
	}
	return connectors.Secret(value), nil
}

// readPrivate reads a file that only its owner can read. A link is followed
// inside its own folder only, which is how mounted secrets are laid out.
func readPrivate(path string) (string, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	defer root.Close()
	f, err := root.Open(filepath.Base(path))
	if err != nil {
		return "", fmt.Errorf("secret in %s: %w", filepath.Dir(path), err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("secret: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("secret: %s is not a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("secret: others can read %s (mode %04o): run `chmod 600 %s`", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	return string(text), nil
}

// Private reports why a file that holds a key is not fit to: it is not there,
// or others can read it.
func Private(path string) error {
	_, err := readPrivate(path)
	return err
}
