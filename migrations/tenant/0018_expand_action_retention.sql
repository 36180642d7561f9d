-- phase: expand
-- description: the retention class of what an action leaves behind
-- reversible: yes
-- lock-budget-ms: 500

ALTER TABLE actions
  ADD COLUMN retention text NOT NULL DEFAULT 'compliance' CHECK (retention IN ('operational', 'compliance', 'forensic'));
