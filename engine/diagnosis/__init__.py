"""Why a layer loses what it loses, in words with figures, and what would help."""
