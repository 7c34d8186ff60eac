"""Words that made terminology files are put together from: laboratory, anatomy and disorders, in a few languages.

Nothing here is taken from a licensed terminology; codes that the makers give to the names are made up.
"""

from __future__ import annotations

ANALYTES = """Glucose Sodium Potassium Chloride Calcium Magnesium Phosphate Creatinine Urea Urate Bilirubin Albumin
Protein Cholesterol Triglyceride Lactate Ammonia Iron Ferritin Transferrin Haptoglobin Ceruloplasmin Copper Zinc
Selenium Lead Mercury Cadmium Lithium Digoxin Phenytoin Valproate Carbamazepine Lamotrigine Levetiracetam Vancomycin
Gentamicin Tobramycin Amikacin Methotrexate Tacrolimus Cyclosporine Sirolimus Everolimus Theophylline Acetaminophen
Salicylate Ethanol Methanol Morphine Codeine Fentanyl Oxycodone Methadone Buprenorphine Cocaine Amphetamine Cannabinoid
Benzodiazepine Barbiturate Insulin Proinsulin Glucagon Cortisol Aldosterone Renin Testosterone Estradiol Progesterone
Prolactin Follitropin Lutropin Thyrotropin Thyroxine Triiodothyronine Thyroglobulin Calcitonin Parathyrin Somatotropin
Corticotropin Vasopressin Erythropoietin Troponin Myoglobin Homocysteine Fibrinogen Antithrombin Plasminogen Hemoglobin
Hematocrit Erythrocytes Leukocytes Platelets Neutrophils Lymphocytes Monocytes Eosinophils Basophils Reticulocytes
Blasts
Amylase Lipase Lysozyme Elastase Trypsin Aldolase Cholinesterase Ketones Nitrite Urobilinogen Oxalate Citrate Cystine
Glycine Alanine Leucine Valine Tyrosine Phenylalanine Methionine Arginine Ornithine Citrulline Carnitine Acylcarnitine
Retinol Tocopherol Cobalamin Folate Thiamine Riboflavin Pyridoxine Ascorbate Calcidiol Calcitriol Interferon Interleukin
Procalcitonin Adiponectin Leptin Osteocalcin Galectin Cystatin Microalbumin Chromogranin Calprotectin""".split()
"""Names of what laboratories measure."""

QUALIFIERS = """free total ionized conjugated glycated fractional bound oxidized reduced native recombinant intact
precursor fragment peak trough baseline stimulated fasting random corrected adjusted estimated calculated""".split()

ORGANISMS = """Escherichia Klebsiella Proteus Pseudomonas Staphylococcus Streptococcus Enterococcus Salmonella Shigella
Campylobacter Yersinia Vibrio Legionella Mycoplasma Chlamydia Borrelia Treponema Leptospira Brucella Bartonella Coxiella
Rickettsia Toxoplasma Plasmodium Leishmania Trypanosoma Schistosoma Echinococcus Toxocara Strongyloides Aspergillus
Candida Cryptococcus Histoplasma Coccidioides Blastomyces Influenza Parainfluenza Adenovirus Rhinovirus Enterovirus
Norovirus Rotavirus Hantavirus Dengue Zika Chikungunya Measles Mumps Rubella Varicella Herpes Cytomegalovirus Parvovirus
Papillomavirus Hepatitis Mycobacterium Clostridioides Helicobacter Haemophilus Neisseria Moraxella Listeria""".split()

ALLERGENS = """Birch Alder Hazel Oak Timothy Ryegrass Mugwort Ragweed Plantain Cat Dog Horse Cow Mite Cockroach Bee Wasp
Milk Egg Peanut Almond Walnut Cashew Wheat Rye Barley Oat Soybean Sesame Shrimp Crab Cod Salmon Tuna Beef Pork Chicken
Apple Peach Banana Kiwi Strawberry Tomato Carrot Celery Latex""".split()

PROPERTIES = {
    "MCnc": "Mass/volume",
    "SCnc": "Moles/volume",
    "CCnc": "Enzymatic activity/volume",
    "NCnc": "#/volume",
    "ACnc": "Units/volume",
    "MFr": "Mass fraction",
    "SFr": "Mole fraction",
    "Titr": "Titer",
    "PrThr": "Presence",
    "MRat": "Mass/time",
    "SRto": "Molar ratio",
    "MRto": "Mass ratio",
}

SYSTEMS = {
    "Ser/Plas": "Serum or Plasma",
    "Ser": "Serum",
    "Plas": "Plasma",
    "Bld": "Blood",
    "BldA": "Arterial blood",
    "BldV": "Venous blood",
    "BldC": "Capillary blood",
    "Urine": "Urine",
    "CSF": "Cerebral spinal fluid",
    "Amnio fld": "Amniotic fluid",
    "Body fld": "Body fluid",
    "Plr fld": "Pleural fluid",
    "Periton fld": "Peritoneal fluid",
    "Synv fld": "Synovial fluid",
    "Stool": "Stool",
    "Saliva": "Saliva",
    "Sweat": "Sweat",
    "Tiss": "Tissue",
    "Bone mar": "Bone marrow",
    "Hair": "Hair",
    "RBC": "Red Blood Cells",
    "DBS": "Dried blood spot",
}

METHODS = {
    "": "",
    "IA": "Immunoassay",
    "EIA": "Enzyme immunoassay",
    "IF": "Immunofluorescence",
    "Probe.amp.tar": "NAA with probe detection",
    "Automated count": "Automated count",
    "Manual count": "Manual count",
    "Test strip": "Test strip",
    "Confirm": "Confirmatory method",
    "Screen": "Screen method",
    "HPLC": "High performance liquid chromatography (HPLC)",
    "Electrophoresis": "Electrophoresis",
}

LANGUAGES: dict[str, dict[str, str]] = {
    "deDE": {
        "Glucose": "Glukose",
        "Sodium": "Natrium",
        "Potassium": "Kalium",
        "Calcium": "Kalzium",
        "Creatinine": "Kreatinin",
        "Urea": "Harnstoff",
        "Iron": "Eisen",
        "Lead": "Blei",
        "Copper": "Kupfer",
        "Serum or Plasma": "Serum oder Plasma",
        "Blood": "Blut",
        "Urine": "Urin",
        "Stool": "Stuhl",
        "Saliva": "Speichel",
        "Mass/volume": "Masse/Volumen",
        "Moles/volume": "Stoffmenge/Volumen",
        "Presence": "Vorhandensein",
        "Femur": "Oberschenkelknochen",
        "Fracture": "Fraktur",
        "Inflammation": "Entzündung",
    },
    "frFR": {
        "Glucose": "Glucose",
        "Sodium": "Sodium",
        "Potassium": "Potassium",
        "Creatinine": "Créatinine",
        "Urea": "Urée",
        "Iron": "Fer",
        "Lead": "Plomb",
        "Serum or Plasma": "Sérum ou Plasma",
        "Blood": "Sang",
        "Urine": "Urine",
        "Stool": "Selles",
        "Mass/volume": "Masse/Volume",
        "Moles/volume": "Moles/Volume",
        "Presence": "Présence",
        "Fracture": "Fracture",
    },
}
"""English word to that of another language; what is not here stays English."""

STRUCTURES = """femur tibia fibula humerus radius ulna scapula clavicle sternum rib vertebra pelvis sacrum patella
carpal
metacarpal tarsal metatarsal mandible maxilla skull orbit ear nose pharynx larynx trachea bronchus lung pleura diaphragm
heart atrium ventricle myocardium pericardium aorta artery vein capillary spleen thymus tonsil esophagus stomach
duodenum
jejunum ileum cecum appendix colon rectum anus liver gallbladder pancreas kidney ureter bladder urethra prostate testis
epididymis penis ovary uterus cervix vagina breast skin nail hair brain cerebellum meninges nerve plexus retina cornea
iris lens eyelid thyroid parathyroid adrenal pituitary muscle tendon ligament joint""".split()

REGIONS = """upper lower anterior posterior medial lateral proximal distal superficial deep""".split()
SIDES = ("left", "right")

MORPHOLOGIES = """Inflammation Infection Abscess Ulcer Fracture Dislocation Contusion Laceration Burn Hemorrhage
Thrombosis
Embolism Infarction Ischemia Stenosis Occlusion Aneurysm Dilatation Perforation Fistula Obstruction Hernia Prolapse Cyst
Polyp Neoplasm Adenoma Carcinoma Sarcoma Lymphoma Melanoma Metastasis Hyperplasia Hypertrophy Atrophy Dysplasia Necrosis
Fibrosis Calcification Edema Effusion Granuloma Degeneration Malformation Agenesis Duplication Deformity Rupture Sprain
Strain Crush Amputation Pain Swelling Mass Stiffness Weakness Spasm Paralysis Neuropathy""".split()

COURSES = (
    """acute chronic recurrent congenital traumatic postoperative bacterial viral fungal idiopathic""".split()
)

PROCEDURES = """Excision Incision Drainage Biopsy Repair Replacement Transplantation Fixation Reduction Reconstruction
Resection Ablation Dilation Puncture Injection Irrigation Imaging Ultrasonography Radiography Endoscopy Suture Removal
Insertion Exploration Decompression Grafting""".split()
