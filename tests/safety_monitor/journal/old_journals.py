"""The tables of journals that earlier versions of the program wrote."""

VERSION_1 = """
CREATE TABLE incidents (
    id VARCHAR NOT NULL, kind VARCHAR NOT NULL, state VARCHAR NOT NULL, opened_at VARCHAR NOT NULL,
    changed_at VARCHAR NOT NULL, at_s DOUBLE NOT NULL, confidence DOUBLE NOT NULL, senses VARCHAR NOT NULL,
    labels VARCHAR NOT NULL, evidence VARCHAR NOT NULL, reason VARCHAR NOT NULL, source VARCHAR NOT NULL,
    silent BOOLEAN NOT NULL, duress BOOLEAN NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX incidents_by_time ON incidents (kind, opened_at);
CREATE TABLE transitions (
    number INTEGER NOT NULL, incident_id VARCHAR NOT NULL, state VARCHAR NOT NULL, at VARCHAR NOT NULL,
    at_s DOUBLE NOT NULL, confidence DOUBLE NOT NULL, reason VARCHAR NOT NULL, "by" VARCHAR NOT NULL,
    PRIMARY KEY (number), FOREIGN KEY(incident_id) REFERENCES incidents (id)
);
CREATE INDEX ix_transitions_incident_id ON transitions (incident_id);
CREATE TABLE deliveries (
    "key" VARCHAR NOT NULL, incident_id VARCHAR NOT NULL, channel VARCHAR NOT NULL, nature VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, state VARCHAR NOT NULL, turn INTEGER NOT NULL, version INTEGER NOT NULL,
    waits BOOLEAN NOT NULL, covert BOOLEAN NOT NULL, attempts INTEGER NOT NULL, asked_at DOUBLE NOT NULL,
    due_at DOUBLE, fallback VARCHAR, changed_at VARCHAR NOT NULL, detail VARCHAR NOT NULL, reference VARCHAR NOT NULL,
    sent_at DOUBLE, PRIMARY KEY ("key"), FOREIGN KEY(incident_id) REFERENCES incidents (id)
);
CREATE INDEX ix_deliveries_incident_id ON deliveries (incident_id);
CREATE INDEX deliveries_failed ON deliveries (asked_at) WHERE state = 'failed';
CREATE INDEX deliveries_to_fall_back ON deliveries (asked_at) WHERE due_at IS NOT NULL AND fallback IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (channel, turn, due_at) WHERE due_at IS NOT NULL;
PRAGMA user_version = 1;
"""

VERSION_2 = f"""{VERSION_1}
CREATE INDEX incidents_by_state ON incidents (kind, state, opened_at);
PRAGMA user_version = 2;
"""

VERSION_3 = f"""{VERSION_2}
CREATE TABLE remarks (
    number INTEGER NOT NULL, incident_id VARCHAR NOT NULL, at VARCHAR NOT NULL, "by" VARCHAR NOT NULL,
    text VARCHAR NOT NULL, mark VARCHAR, PRIMARY KEY (number), FOREIGN KEY(incident_id) REFERENCES incidents (id)
);
CREATE INDEX ix_remarks_incident_id ON remarks (incident_id);
PRAGMA user_version = 3;
"""

CONTENT = """
INSERT INTO incidents VALUES ('0b4ad0e6-6f0e-4c5e-8a43-000000000001', 'alarm', 'confirmed',
    '2026-01-02T03:04:05.000+00:00', '2026-01-02T03:04:05.000+00:00', 8.25, 0.91, '["audio"]', '["scream"]',
    '[{"sense": "audio", "label": "scream", "probability": 0.91, "at_s": 8.25}]', 'scream 0.91, threshold 0.80',
    'a.wav', 0, 0);
INSERT INTO transitions VALUES (1, '0b4ad0e6-6f0e-4c5e-8a43-000000000001', 'confirmed',
    '2026-01-02T03:04:05.000+00:00', 8.25, 0.91, 'scream 0.91, threshold 0.80', 'station');
INSERT INTO deliveries VALUES ('0b4ad0e6-6f0e-4c5e-8a43-000000000001:email:alarm',
    '0b4ad0e6-6f0e-4c5e-8a43-000000000001', 'email', 'message', 'alarm', 'pending', 1, 1, 0, 0, 2, 1767323045.0,
    1767323047.0, NULL, '2026-01-02T03:04:05.000+00:00', 'no network', '', NULL);
"""
"""A confirmed incident with a message that waits."""
