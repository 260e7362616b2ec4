package main

import "stanch/cmd/stanch/internal/config"

// sqlitePath answers the file of a store's address.
func sqlitePath(address string) (string, error) {
	s, err := (&config.Config{}).StoreAt(address)
	return s.Path, err
}
