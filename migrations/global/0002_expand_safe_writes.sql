-- phase: expand
-- description: who made a key, and wake-ups of waiting workflows in the dispatch queue
-- reversible: yes
-- lock-budget-ms: 500

-- The person whose key made this one; null for keys of the bootstrap.
ALTER TABLE api_keys ADD COLUMN created_by text;

-- A row without a wake id starts the action's workflow; with one it is delivered as that update.
ALTER TABLE dispatch_queue ADD COLUMN wake_id text;
