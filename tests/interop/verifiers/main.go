// Says for each chain, after the root, whether Go's own verifier accepts it for the name that its file is called by.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func read(file string) (found []*x509.Certificate) {
	text, err := os.ReadFile(file)
	for err == nil {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return
		}
		var one *x509.Certificate
		if one, err = x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, one)
		}
	}
	panic(err)
}

func main() {
	roots := x509.NewCertPool()
	roots.AddCert(read(os.Args[1])[0])
	for _, file := range os.Args[2:] {
		chain, between := read(file), x509.NewCertPool()
		for _, one := range chain[1:] {
			between.AddCert(one)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".pem")
		options := x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name}
		if _, err := chain[0].Verify(options); err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Println("accepted")
		}
	}
}
