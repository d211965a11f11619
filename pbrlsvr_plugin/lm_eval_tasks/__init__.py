"""Tasks for lm-evaluation-harness: `lm_eval --include_path $(pbrlsvr path lm_eval)`."""
