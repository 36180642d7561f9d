package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Shorter keys and older signatures are refused by browsers.
const minRSABits = 2048

type certificate struct {
	Subject   string   `json:"subject"`
	Issuer    string   `json:"issuer"`
	Names     []string `json:"names"`
	NotBefore string   `json:"notBefore"`
	NotAfter  string   `json:"notAfter"`
	Key       string   `json:"key"`
	SHA256    string   `json:"sha256"`
}

type finding struct {
	Severity string `json:"severity"`
	Message  string `json:"message"`
}

type result struct {
	OK           bool          `json:"ok"`
	DaysLeft     int           `json:"daysLeft"`
	Certificates []certificate `json:"certificates"`
	Findings     []finding     `json:"findings"`
}

// readChain reads the certificates in the order in which a server shows them: its own one first.
func readChain(text string) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d is a %s: send certificates only", len(chain)+1, block.Type)
		}
		read, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain)+1, err)
		}
		chain = append(chain, read)
	}
	if len(chain) == 0 {
		return nil, errors.New("there is no certificate in PEM form")
	}
	return chain, nil
}

func inspect(chain []*x509.Certificate, host string, now time.Time, warn time.Duration) result {
	report := result{Findings: []finding{}, DaysLeft: int(chain[0].NotAfter.Sub(now).Hours() / 24)}
	add := func(severity, format string, values ...any) {
		report.Findings = append(report.Findings, finding{severity, fmt.Sprintf(format, values...)})
	}
	if host != "" {
		if err := chain[0].VerifyHostname(host); err != nil {
			add("error", "%v", err)
		}
	}
	for index, one := range chain {
		report.Certificates = append(report.Certificates, describe(one))
		name := one.Subject.String()
		switch {
		case now.Before(one.NotBefore):
			add("error", "%s is not valid before %s", name, one.NotBefore.UTC().Format(time.RFC3339))
		case now.After(one.NotAfter):
			add("error", "%s expired at %s", name, one.NotAfter.UTC().Format(time.RFC3339))
		case now.Add(warn).After(one.NotAfter):
			add("warning", "%s expires at %s", name, one.NotAfter.UTC().Format(time.RFC3339))
		}
		if key, ok := one.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABits {
			add("error", "%s has an RSA key of %d bits, at least %d are needed", name, key.N.BitLen(), minRSABits)
		}
		if index+1 < len(chain) {
			if err := one.CheckSignatureFrom(chain[index+1]); err != nil {
				add("error", "%s is not signed by the certificate after it: %v", name, err)
			}
		}
	}
	report.OK = true
	for _, one := range report.Findings {
		report.OK = report.OK && one.Severity != "error"
	}
	return report
}

func describe(one *x509.Certificate) certificate {
	digest := sha256.Sum256(one.Raw)
	names := append([]string{}, one.DNSNames...)
	for _, address := range one.IPAddresses {
		names = append(names, address.String())
	}
	return certificate{
		Subject:   one.Subject.String(),
		Issuer:    one.Issuer.String(),
		Names:     names,
		NotBefore: one.NotBefore.UTC().Format(time.RFC3339),
		NotAfter:  one.NotAfter.UTC().Format(time.RFC3339),
		Key:       keyOf(one),
		SHA256:    hex.EncodeToString(digest[:]),
	}
}

func keyOf(one *x509.Certificate) string {
	switch key := one.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	default:
		return one.PublicKeyAlgorithm.String()
	}
}
