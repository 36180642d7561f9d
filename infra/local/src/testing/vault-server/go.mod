module portarium.dev/vault-server

go 1.25.3

require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/hashicorp/vault v1.21.4
	github.com/hashicorp/vault/sdk v0.20.0
)

// Vault's own module replaces this by a folder beside it: 0.20.0 is the release of that folder.
replace github.com/hashicorp/vault/sdk => github.com/hashicorp/vault/sdk v0.20.0

// As Vault's own module does.
replace github.com/99designs/keyring => github.com/Jeffail/keyring v1.2.3
