// Compiles what the Go program of README needs, so that its test finds it compiled.
package main

import "github.com/twmb/franz-go/pkg/kgo"

func main() {
	kgo.SeedBrokers()
}
