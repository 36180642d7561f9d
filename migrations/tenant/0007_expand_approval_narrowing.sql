-- phase: expand
-- description: approvers narrow what an action may reach
-- reversible: yes
-- lock-budget-ms: 500

-- What a decision is about. Null: what its approval was about before anybody narrowed it.
ALTER TABLE approval_decisions ADD COLUMN digest text;
GRANT UPDATE (key_id, decision, rationale, decided_at, digest) ON approval_decisions TO portarium_runtime;
GRANT UPDATE (digest, statement) ON approvals TO portarium_runtime;
